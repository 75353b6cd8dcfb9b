"""What is told beside a failed Check: what the specification says, and what to run next. Pure."""

from __future__ import annotations

import shlex

from labkit.manifest.kinds import LocatedCheck, Target
from labkit.probe.flow import Flow
from labkit.probe.table import FlowRow
from labkit.probe.words import specified_words


def specified(row: FlowRow | None) -> str | None:
    """Return what the specification says of a flow, and why; None if it says nothing."""
    if row is None or row.expected is None:
        return None
    seen = " what was seen," if row.agrees else ""
    return f"the specification says{seen} {specified_words(row.expected)}"


def command(located: LocatedCheck, flow: Flow, *, dataplane: str, explained: bool) -> str:
    """Return the command that shows more of a Check's flow.

    Args:
        located: the Check.
        flow: what it probed, or the first flow of those that differ.
        dataplane: under which.
        explained: whether the specification says anything of it. If not, the packets must.
    """
    spec = located.check.spec
    words = ["labkit", "explain" if explained else "trace", located.location.file, flow.source]
    words.append(_target(spec.to, flow))
    if flow.protocol != "TCP":
        words += ["--protocol", flow.protocol]
    return shlex.join([*words, "--dataplane", dataplane])


def of_lab(line: str, lab: str) -> str:
    """Return the same command about a lab that stays, which may be another than its file says."""
    program, what, _file, *words = shlex.split(line)
    place = words.index("--dataplane")
    return shlex.join([program, what, lab, *words[:place], *words[place + 2 :]])


def _target(to: Target, flow: Flow) -> str:
    """The target as the command takes it: by its name, or by an address that no name stands for."""
    name = to.node or to.service or to.pod
    if name is None or to.via != "ClusterIP":
        return f"{flow.address}:{flow.dport}"
    return name if to.port is None else f"{name}:{to.port}"
