"""What a failure leaves for those who look into it: the path, the rules, a capture, a scenario."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from labkit.errors import LabkitError, ManifestError, UsageError
from labkit.lab.cut import Needed, cut_down, whole
from labkit.lab.lab import Lab
from labkit.lab.tracing import Traced
from labkit.manifest.key import Key
from labkit.manifest.kinds import LocatedCheck
from labkit.manifest.load import load_text
from labkit.manifest.written import yaml_text
from labkit.probe.flow import Flow
from labkit.report.paths import render_paths
from labkit.report.pcapng import pcapng

INDEX: Final = "README.md"
SCENARIO: Final = "scenario.yaml"
WHOLE: Final = "lab.yaml"
MARK: Final = "# What labkit saw of a failure"
"""The first line of the index, by which a folder is known to be a bundle."""
MOST_FLOWS: Final = 3
"""So many flows of a failure are traced: silent ones take seconds."""
CONNTRACK: Final = ("conntrack", "-L")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Files by their names, not yet written."""

    files: Mapping[str, str | bytes]
    verdicts: tuple[str, ...]
    """What tracing each flow again has told."""


def bundle_of(
    lab: Lab, flows: Sequence[Flow], *, told: str, check: LocatedCheck | None = None
) -> Bundle:
    """Trace flows again and gather what there is to know of them, while the lab still runs.

    Args:
        lab: where it failed.
        flows: what was asked; the first few of them are traced.
        told: what failed, in a few lines.
        check: the Check that failed; None for a test of another kind.

    Raises:
        LabkitError: the lab cannot be asked any more.
    """
    traced = lab.trace_all(flows[:MOST_FLOWS])
    paths = [path for each in traced for path in each.paths]
    crossed = _crossed(traced)
    nodes = [node.name for node in lab.cluster.nodes if node.name in crossed]
    files: dict[str, str | bytes] = {
        "path.txt": render_paths(paths, "table"),
        "path.md": render_paths(paths, "markdown"),
        "path.json": render_paths(paths, "json"),
        "packets.pcapng": pcapng([each for one in traced for each in one.captured], paths),
        WHOLE: whole_text(lab),
        SCENARIO: _scenario(lab, flows[:MOST_FLOWS], crossed, check),
        **{f"rules-{node}.txt": lab.rules(node) for node in nodes},
        **{f"conntrack-{node}.txt": _conntrack(lab, node) for node in nodes},
    }
    repeat = again(lab, Path(SCENARIO), flows, check)
    verdicts = tuple(dict.fromkeys(path.verdict for path in paths))
    index = _index(told, verdicts, repeat, sorted(files))
    return Bundle(files={INDEX: index, **files}, verdicts=verdicts)


def write(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into a folder of its own; one of an earlier run is replaced.

    Raises:
        UsageError: the folder holds something else, or cannot be written.
    """
    try:
        if folder.exists():
            _remove(folder)
        folder.mkdir(parents=True)
        # Whole failures are for people and for CI to keep, and not for git.
        (folder.parent / ".gitignore").write_text("*\n")
        for name, content in bundle.files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror}; name another with --labkit-failures"
        ) from error


def whole_text(lab: Lab) -> str:
    """Return all of a lab as a scenario file."""
    name = lab.scenario.path or "a lab made in code"
    return yaml_text(whole(lab.scenario, lab.cluster.dataplane), comment=f"all of {name}")


def again(lab: Lab, file: Path, flows: Sequence[Flow], check: LocatedCheck | None) -> str:
    """Return the command that shows a failure again, of a bundle's scenario.

    What a test of its own expected is in that test alone: the flow is traced.
    """
    if check is not None:
        return shlex.join(["labkit", "run", str(file), *lab.options])
    flow = flows[0]
    protocol = () if flow.protocol == "TCP" else ("--protocol", str(flow.protocol))
    words = (str(file), flow.source, f"{flow.address}:{flow.dport}", *protocol)
    return shlex.join(["labkit", "trace", *words, *lab.options])


def _remove(folder: Path) -> None:
    index = folder / INDEX
    if not index.is_file() or not index.read_text(errors="replace").startswith(MARK):
        raise UsageError(f"{folder} is there and is no bundle of labkit's; move it away")
    shutil.rmtree(folder)


def _crossed(traced: Sequence[Traced]) -> set[str]:
    return {
        hop.host for each in traced for path in each.paths for leg in path.legs for hop in leg.hops
    }


def _conntrack(lab: Lab, node: str) -> str:
    try:
        done = lab.exec(node, CONNTRACK)
    except LabkitError as error:  # the tool is missing: the bundle is worth having without it
        return f"{error}\n"
    return done.stdout or done.stderr


def _index(told: str, verdicts: Sequence[str], repeat: str, files: Sequence[str]) -> str:
    lines = [MARK, "", "```", told.rstrip(), "```", ""]
    lines += [f"Traced again: {verdict}." for verdict in verdicts]
    lines += [
        "",
        f"`{repeat}` shows it again, in a lab cut down to what the flow needs.",
        "",
        *(f"- {name}: {words}" for name, words in _described(files)),
    ]
    return "\n".join([*lines, ""])


def _described(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    known = {
        "path.txt": "the packets' path, hop by hop",
        "path.md": "the same with a sequence diagram",
        "path.json": "the same with everything that is known of it",
        "packets.pcapng": "every packet of every watched host, for Wireshark",
        SCENARIO: "the lab, cut down to what the flow needs",
        WHOLE: "all of the lab",
    }
    for name in files:
        if name in known:
            yield name, known[name]
        elif name.startswith("rules-"):
            yield name, "the rules of a node that the packets crossed"
        elif name.startswith("conntrack-"):
            yield name, "what its conntrack knew after the trace"


def _scenario(
    lab: Lab, flows: Sequence[Flow], crossed: Collection[str], check: LocatedCheck | None
) -> str:
    """The lab cut down; the whole of it where what is left would be no valid scenario."""
    cut = cut_down(lab.scenario, _needed(lab, flows, crossed), check)
    comment = f"cut down from {lab.scenario.path or 'a lab made in code'}"
    text = yaml_text(cut, comment=comment)
    try:
        load_text(text)
    except ManifestError:
        return yaml_text(cut_down(lab.scenario, _everything(lab, flows), check), comment=comment)
    return text


def _needed(lab: Lab, flows: Sequence[Flow], crossed: Collection[str]) -> Needed:
    cluster = lab.cluster
    services = {flow.service for flow in flows if flow.service}
    if len(services) > 1:
        return _everything(lab, flows)
    key = _key(next(iter(services), ""))
    hosts = {*crossed, *(flow.source for flow in flows), *(flow.node or "" for flow in flows)}
    for service in cluster.services:
        if key is None or (service.key.namespace, service.key.name) != key:
            continue
        for port in service.ports:
            known = cluster.endpoints.get(service.port_name(port), ())
            hosts |= {each.pod for each in known if each.pod}
    hosts |= {pod.node for pod in cluster.pods if pod.name in hosts}
    return _of(lab, hosts, key)


def _everything(lab: Lab, flows: Sequence[Flow]) -> Needed:
    cluster = lab.cluster
    hosts = {*cluster.node_by_name, *cluster.client_by_name, *cluster.pod_by_name}
    return _of(lab, hosts, _key(flows[0].service if flows else ""))


def _of(lab: Lab, hosts: Collection[str], service: Key | None) -> Needed:
    cluster = lab.cluster
    addresses: dict[str, IPv4Address] = {node.name: node.address for node in cluster.nodes}
    addresses |= {pod.name: pod.address for pod in cluster.pods}
    return Needed(
        hosts=frozenset(hosts),
        service=service,
        addresses=addresses,
        pod_cidrs={node.name: str(node.pod_cidr) for node in cluster.nodes},
        dataplane=cluster.dataplane,
    )


def _key(service: str) -> Key | None:
    namespace, slash, name = service.partition("/")
    return Key(namespace, name) if slash else None
