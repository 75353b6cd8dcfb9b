"""A session at the prompt as a file that passes: a scenario with Checks, or a module for pytest.

Pure.
"""

from __future__ import annotations

import pprint
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import to_builtins

from labkit.manifest.kinds import LABKIT_API, Target
from labkit.manifest.written import yaml_text
from labkit.probe.flow import Outcome
from labkit.probe.table import FlowRow
from labkit.probe.words import target_words

Manifest = Mapping[str, Any]
WIDTH: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One flow that was asked for in the session, and what is seen of it now."""

    row: FlowRow
    to: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """The lab as it is now."""

    name: str
    dataplane: str
    rules: str
    """Where its rules come from, in words."""
    objects: Sequence[Manifest]


def scenario_text(lab: Lab, seen: Sequence[Seen]) -> str:
    """Return a scenario file: the lab's manifests and a Check for each flow."""
    return yaml_text([*_manifests(lab), *_checks(seen)], comment=_headline(lab))


def pytest_text(lab: Lab, seen: Sequence[Seen]) -> str:
    """Return a module for pytest: the lab's manifests and a test for each flow."""
    manifests = pprint.pformat(
        [dict(each) for each in _manifests(lab)], width=WIDTH, sort_dicts=False
    )
    tests = "".join(f"\n\n{test}" for test in _tests(seen))
    return f'"""{_headline(lab)}"""\n\nimport pytest\n\nMANIFESTS = {manifests}\n{FIXTURE}{tests}'


FIXTURE: Final = '''

@pytest.fixture
def cluster(lab):
    """Return the lab; `lab` is the fixture of labkit's plugin."""
    return lab(MANIFESTS)
'''


def expected_of(row: FlowRow) -> dict[str, Any]:
    """Return what every probe of the flow must see: a Check's ``expect``.

    Who answers, and whom it saw, is left out where this session has seen a part of what can be:
    session affinity holds a source to one endpoint, and another time that can be another one.
    """
    found: dict[str, Any] = {"outcome": str(row.outcome)}
    if row.outcome is not Outcome.CONNECTED or not row.backends:
        return found
    if _is_part(row):
        return found
    found["backends"] = list(row.backends)
    if sources := _sources(row):
        found["clientSource"] = sources[0] if len(sources) == 1 else sources
    return found


def _sources(row: FlowRow) -> list[str]:
    """Every source that may be seen: few attempts may not have shown all that are specified."""
    expected = row.expected.client_sources if row.agrees and row.expected else ()
    return list(dict.fromkeys((*row.client_sources, *expected)))


def _is_part(row: FlowRow) -> bool:
    return bool(row.agrees and row.expected and set(row.backends) < set(row.expected.backends))


def _headline(lab: Lab) -> str:
    return f"Saved from the lab {lab.name}: {lab.dataplane}, rules: {lab.rules}"


def _manifests(lab: Lab) -> Iterator[Manifest]:
    """The lab's objects under the data plane that it has; its own Checks may not hold any more."""
    kept = [each for each in lab.objects if each.get("kind") != "Check"]
    if not any(each.get("kind") == "Lab" for each in kept):
        yield {
            "apiVersion": LABKIT_API,
            "kind": "Lab",
            "metadata": {"name": lab.name},
            "spec": {"dataplane": lab.dataplane},
        }
    for each in kept:
        if each.get("kind") == "Lab":
            spec = each.get("spec") or {}
            yield {**each, "spec": {**spec, "dataplane": lab.dataplane}}
        else:
            yield each


def _checks(seen: Sequence[Seen]) -> Iterator[Manifest]:
    for each in seen:
        row = each.row
        yield {
            "apiVersion": LABKIT_API,
            "kind": "Check",
            "metadata": {"name": _name(each)},
            "spec": {
                "from": row.source,
                "to": _to(each),
                **({} if row.protocol == "TCP" else {"protocol": str(row.protocol)}),
                "expect": expected_of(row),
            },
        }


def _tests(seen: Sequence[Seen]) -> Iterator[str]:
    for each in seen:
        row, expected = each.row, expected_of(each.row)
        arguments = [repr(row.source), f"to={_to(each)!r}"]
        arguments += [] if row.protocol == "TCP" else [f"protocol={str(row.protocol)!r}"]
        lines = [
            f"def test_{re.sub('[^a-z0-9]+', '_', _name(each).lower()).strip('_')}(cluster):",
            f"    seen = cluster.probe({', '.join(arguments)})",
            f"    assert seen.outcome == {expected['outcome']!r}",
        ]
        if "backends" in expected:
            lines.append(f"    assert set(seen.backends) == {set_text(expected['backends'])}")
        if "clientSource" in expected:
            lines.append(f"    assert seen.client_sources <= {set_text(_sources(row))}")
        yield "\n".join(lines) + "\n"


def set_text(words: Sequence[str]) -> str:
    """Return a set of words as Python writes it, in their order."""
    return "{" + ", ".join(map(repr, words)) + "}"


def _name(each: Seen) -> str:
    return f"{each.row.source} to {target_words(each.to, each.row.protocol)}"


def _to(each: Seen) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(each.to)
    return found
