"""Makes the tables and pictures of docs/performance.md of the results in bench/results/.

``scripts/performance`` writes them anew. A table stands behind a line that says what it is of::

    <!-- lab.json: set-up -->
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from labkit.bench.drawing import drawn
from labkit.bench.plots import footnote, panels
from labkit.bench.results import Report, from_json
from labkit.bench.tables import section_markdown, sections

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/performance.md"
PLOTS: Final = ROOT / "docs/plots"
RESULTS: Final = ROOT / "bench/results"
PLACE: Final = re.compile(
    r"^<!-- (?P<file>[\w-]+\.json): (?P<metric>.+) -->\n(?:\|.*\n)*", re.MULTILINE
)
PICTURES: Final = ("lab", "probe", "sync", "sync-uml")


def report(file: str) -> Report:
    """What is stored under a name."""
    path = RESULTS / file
    return from_json(path.read_bytes(), where=str(path))


def filled(page: str) -> str:
    """The page with every table made of what is stored."""
    return PLACE.sub(
        lambda place: f"{_line(place)}\n{table(place['file'], place['metric'])}\n", page
    )


def table(file: str, metric: str) -> str:
    """One metric of a stored report as Markdown; it was measured on one machine."""
    found = report(file)
    (run,) = found.runs
    named = {section.metric: section for section in sections(run)}
    if metric not in named:
        raise SystemExit(f"bench/results/{file} has no {metric!r}; it has {', '.join(named)}")
    return section_markdown(found, named[metric])


def picture(name: str) -> bytes:
    """The picture of a stored report; it says which one that was."""
    found = report(f"{name}.json")
    return drawn(panels(found), [footnote(found)], "svg", source=source(name))


def source(name: str) -> str:
    """The stored report that a picture is of, by what it holds."""
    digest = hashlib.sha256((RESULTS / f"{name}.json").read_bytes()).hexdigest()
    return f"bench/results/{name}.json sha256:{digest}"


def _line(place: re.Match[str]) -> str:
    return place[0].partition("\n")[0]


def main() -> None:
    """Write the page and its pictures."""
    PAGE.write_text(filled(PAGE.read_text()))
    PLOTS.mkdir(exist_ok=True)
    for name in PICTURES:
        (PLOTS / f"{name}.svg").write_bytes(picture(name))


if __name__ == "__main__":
    main()
