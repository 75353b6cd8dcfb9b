"""Makes docs/coverage.md: what Kubernetes' own tests ask, what shows it here, and what came of it.

``scripts/coverage > docs/coverage.md`` runs every scenario under every data plane. The page holds
all that was seen in its last table, so a test can make it again from that and docs/coverage.toml.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from labkit.kernel.features import FEATURES
from labkit.manifest.load import load

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/coverage.md"
PLANES: Final = ("iptables", "nftables", "ipvs")
TEST: Final = "test_"
KINDS: Final = "N flows only, C a change while the lab runs, D DNS, 6 IPv6, - out of scope"
HEAD: Final = f"""# Coverage of Kubernetes' own tests

What Kubernetes' tests assert of Services (`test/e2e/network` and `pkg/proxy`), and the scenario
or test that shows it here. `scripts/coverage > docs/coverage.md` runs the scenarios and makes this
page of `docs/coverage.toml`; pytest judges the tests.

- `pass`: every Check passed.
- `deviates`: every Check passed, and some expect something else of this data plane, by
  `expectUnder`: it is known to do otherwise.
- `differs`: a Check failed.
- `not run`: no kernel of the machine that made this page has what the scenario needs
  ([kernels](kernels.md)).
- `pytest`: shown by tests.

## Behaviours

Kinds: {KINDS}.
"""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that Kubernetes asks."""

    text: str
    by: tuple[str, ...] = ()
    """Scenarios and tests that show it."""
    missing: str = ""
    """What is not shown yet."""
    none: str = ""
    """Why nothing can show it here."""

    @property
    def scenarios(self) -> tuple[str, ...]:
        return tuple(name for name in self.by if not name.startswith(TEST))

    @property
    def state(self) -> str:
        """What is done, what is not, and what cannot be."""
        if self.none:
            return f"not applicable: {self.none}"
        done = "done" if self.by else ""
        to_do = f"to do: {self.missing}" if self.missing else ""
        return "; ".join(each for each in (done, to_do) if each)


class Behaviour(Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    number: int
    kind: str


class Bug(Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    number: int


class Case(Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """docs/coverage.toml."""

    behaviours: tuple[Behaviour, ...]
    bugs: tuple[Bug, ...]
    cases: tuple[Case, ...]
    more: tuple[str, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.behaviours, *self.bugs, *self.cases)


class Seen(NamedTuple):
    """What came of every scenario: a word for each data plane, in the order of ``planes``."""

    planes: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]


def coverage() -> Coverage:
    """Read docs/coverage.toml."""
    return msgspec.toml.decode((ROOT / "docs/coverage.toml").read_bytes(), type=Coverage)


def page(wanted: Coverage, seen: Seen) -> str:
    """Return docs/coverage.md."""
    return "\n".join([HEAD, *_behaviours(wanted, seen), *_rest(wanted, seen), ""])


def _behaviours(wanted: Coverage, seen: Seen) -> Iterator[str]:
    yield from _table(["#", "behaviour", "kind", "shown by", *seen.planes, "missing"])
    for each in wanted.behaviours:
        cells = [str(each.number), each.text, each.kind, _names(each.by), *_words(each, seen)]
        yield _row([*cells, each.none or each.missing])


def _rest(wanted: Coverage, seen: Seen) -> Iterator[str]:
    yield from ("", "## Bugs", "", "Bugs that Kubernetes had, or has.", "")
    yield from _table(["issue", "what went wrong", "shown by", *seen.planes, "missing"])
    for bug in wanted.bugs:
        issue = f"[{bug.number}](https://github.com/kubernetes/kubernetes/issues/{bug.number})"
        yield _row([issue, bug.text, _names(bug.by), *_words(bug, seen), bug.missing])
    yield from ("", "## Cases", "", "Single test cases, and the same of CNI plugins' suites.", "")
    yield from _table(["#", "case", "state", "shown by"])
    for case in wanted.cases:
        yield _row([case.id, case.text, case.state, _names(case.by)])
    more = _names(wanted.more)
    yield from ("", "## Scenarios", "", f"More scenarios, which no row above names: {more}.", "")
    yield from _table(["scenario", *seen.planes])
    for name, words in seen.words.items():
        yield _row([f"`{name}`", *words])


def read_seen(text: str) -> Seen:
    """Read what came of the scenarios back from the page."""
    rows = [_cells(line) for line in text.partition("## Scenarios")[2].splitlines() if "|" in line]
    head, _rule, *body = rows
    return Seen(tuple(head[1:]), {name.strip("`"): tuple(words) for name, *words in body})


def run(planes: Sequence[str]) -> Seen:
    """Run every scenario under every data plane."""
    argv = [sys.executable, "-m", "labkit", "run", "-q", "-o", "json"]
    done = subprocess.run(
        [*argv, "--dataplane", ",".join(planes), "scenarios/"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not done.stdout:
        sys.exit(f"scripts/coverage: labkit run exited {done.returncode} without a report")
    found: dict[str, dict[str, str]] = {}
    for each in json.loads(done.stdout)["scenarios"]:
        name = Path(each["path"]).stem
        found.setdefault(name, {})[each["dataplane"]] = _word(name, each)
    return Seen(
        tuple(planes),
        {name: tuple(words[plane] for plane in planes) for name, words in sorted(found.items())},
    )


def _word(name: str, result: Mapping[str, object]) -> str:
    if str(result["error"]).partition(":")[0] in FEATURES:
        return "not run"
    if not result["passed"]:
        return "differs"
    checks = load(ROOT / f"scenarios/{name}.yaml").checks
    deviates = any(result["dataplane"] in each.check.spec.expect_under for each in checks)
    return "deviates" if deviates else "pass"


def _words(item: Item, seen: Seen) -> Iterator[str]:
    """What came of an item under each data plane; the worst of its scenarios' words."""
    tested = ["pytest"] if len(item.scenarios) < len(item.by) else []
    for place, _plane in enumerate(seen.planes):
        words = {seen.words[name][place] for name in item.scenarios}
        worst = [word for word in ("differs", "not run", "deviates", "pass") if word in words]
        yield ", ".join([*worst[:1], *tested])


def _table(titles: Sequence[str]) -> Iterator[str]:
    yield _row(titles)
    yield "|" + "---|" * len(titles)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"\|", line)[1:-1]]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> None:
    """Print the page."""
    real = ("kube-proxy",) if shutil.which("kube-proxy") else ()
    sys.stdout.write(page(coverage(), run((*PLANES, *real))))


if __name__ == "__main__":
    main()
