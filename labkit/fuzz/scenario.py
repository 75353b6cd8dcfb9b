"""A random cluster as a scenario file that shows by itself what was seen of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from labkit.fuzz.ground import Surprise, Trial, WrongHealth
from labkit.fuzz.hosts import Manifest
from labkit.manifest.written import yaml_text
from labkit.probe.flow import Flow

MOST_CHECKS: Final = 10
"""A file says enough with so many flows."""


def scenario_text(
    manifests: Sequence[Manifest], trial: Trial, *, dataplane: str, comment: str
) -> str:
    """Return the YAML of a cluster, with a Check for each flow that was not as the model says.

    Args:
        manifests: the cluster's, the Lab first.
        trial: what was seen of it.
        dataplane: under what.
        comment: the file's first line.
    """
    lab, *others = manifests
    lab = {**lab, "spec": {"dataplane": dataplane, **lab["spec"]}}
    checks = [*_checks(trial)][:MOST_CHECKS]
    return yaml_text([lab, *others, *checks], comment=comment)


def _checks(trial: Trial) -> Iterator[Manifest]:
    for surprise in trial.surprises:
        yield _check(surprise.flow, "conformant")
    for wrong in trial.health:
        yield _check(wrong.flow, {"httpStatus": wrong.expected})


def _check(flow: Flow, expect: object) -> Manifest:
    return {
        "apiVersion": "labkit.dev/v1",
        "kind": "Check",
        "metadata": {"name": f"{flow.source} to {flow.address}:{flow.dport} {flow.protocol}"},
        "spec": {
            "from": flow.source,
            "to": {"address": str(flow.address), "port": flow.dport},
            "protocol": str(flow.protocol),
            "expect": expect,
        },
    }


def in_words(each: Surprise | WrongHealth) -> str:
    """One line that says what was seen, what was expected, and why."""
    flow = each.flow
    asked = f"{flow.source} to {flow.address}:{flow.dport} {flow.protocol}"
    if isinstance(each, WrongHealth):
        seen = " and ".join(map(str, each.seen)) or "no answer"
        return f"{asked}: {seen}, expected {each.expected}: health check port of the Service"
    expected = _told(str(each.expected.outcome), each.expected.backends)
    seen = _told(str(each.seen.outcome), each.seen.backends)
    sources = ", ".join(map(str, each.seen.sources_seen))
    seen += f" as {sources}" if sources else ""
    wanted = ", ".join(each.expected.client_sources)
    expected += f" as {wanted}" if wanted else ""
    return f"{asked}: {seen}; expected {expected}: {each.expected.why}"


def _told(outcome: str, backends: Sequence[str] | Mapping[str, Any]) -> str:
    return f"{outcome} by {', '.join(backends)}" if backends else outcome
