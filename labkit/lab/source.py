"""What a Lab can be made from: a file, a scenario, or a few words in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from msgspec.structs import fields

from labkit.errors import UsageError
from labkit.lab import arguments
from labkit.manifest import kinds
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load, load_objects
from labkit.manifest.problems import nearest

Source: TypeAlias = Scenario | str | Path | Sequence[Mapping[str, object]]
"""A scenario, the path of its file, or manifests as Python dictionaries."""
OPTIONS: Final = ("dataplane", "iptables", "rules", "kube_proxy", "proxy_mode", "seed")
"""What else `labkit.Lab` takes, beside a source too."""
LABELS: Final = '{"app": "web"}'


def described(
    source: Source | None,
    nodes: int | Sequence[str] | None,
    clients: Sequence[str] | None,
    spec: Mapping[str, object],
) -> Scenario:
    """Return the validated scenario that ``source`` is or describes; without it, an empty lab.

    Raises:
        ManifestError: something in it is wrong.
        UsageError: it is nothing of that kind, or more is given beside it.
    """
    if source is None:
        named = ("client",) if clients is None else clients
        return load_objects([lab_object("lab", 2 if nodes is None else nodes, named, spec)])
    given = {"nodes": nodes, "clients": clients}
    both = [name for name, value in given.items() if value is not None] + list(spec)
    if both:
        known = [field.encode_name for field in fields(kinds.LabSpec)]
        strange = [name for name in both if name not in known]
        remedy = nearest(strange[0], [*OPTIONS, *known]) if strange else "write it there"
        raise UsageError(f"{both[0]}: only for a Lab without a source; {remedy}")
    if isinstance(source, Scenario):
        return source
    if isinstance(source, str | Path):
        return load(source)
    return load_objects(
        arguments.listed("source", source, "objects, or the path of a scenario file")
    )


def lab_object(
    name: str, nodes: int | Sequence[str], clients: Sequence[str], spec: Mapping[str, object]
) -> Mapping[str, object]:
    """A Lab manifest from a few words: how many nodes, or their names.

    Raises:
        UsageError: nodes or clients are neither.
    """
    named = arguments.texts("clients", clients, '["client"]')
    return {
        "apiVersion": kinds.LABKIT_API,
        "kind": "Lab",
        "metadata": {"name": name},
        "spec": {
            "nodes": [{"name": each} for each in _node_names(nodes)],
            "clients": [{"name": each} for each in named],
            **spec,
        },
    }


def _node_names(nodes: int | Sequence[str]) -> Sequence[str]:
    if isinstance(nodes, int | float):
        count = arguments.whole("nodes", nodes, arguments.NODES)
        return [f"node{number}" for number in range(1, count + 1)]
    return arguments.texts("nodes", nodes, '["node1", "node2"], or how many')


def pod_object(
    name: str,
    *,
    node: str | None,
    labels: Mapping[str, str],
    ports: Sequence[int | Mapping[str, object]],
    command: Sequence[str],
) -> Mapping[str, object]:
    """A Pod manifest with one container; a bare port number is a TCP containerPort."""
    declared = _ports("containerPort", ports)
    program = list(arguments.command(command)) if command else []
    namespace, _, short = arguments.text("name", name).rpartition("/")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": short,
            "labels": dict(arguments.mapping("labels", labels, LABELS)),
            **({"namespace": namespace} if namespace else {}),
        },
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [{"name": "main", "ports": declared, "command": program}],
        },
    }


def service_object(
    name: str,
    *,
    selector: Mapping[str, str],
    ports: Sequence[int | Mapping[str, object]],
    spec: Mapping[str, object],
) -> Mapping[str, object]:
    """A Service manifest; a bare port number is a TCP port."""
    declared = _ports("port", ports)
    namespace, _, short = arguments.text("name", name).rpartition("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": short, **({"namespace": namespace} if namespace else {})},
        "spec": {
            "selector": dict(arguments.mapping("selector", selector, LABELS)),
            "ports": declared,
            **spec,
        },
    }


def _ports(field: str, ports: Sequence[int | Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Ports as a manifest has them: numbers, or mappings that say more."""
    example = f'[80], or [{{"{field}": 53, "protocol": "UDP"}}]'
    found = arguments.listed("ports", ports, example)
    return [each if isinstance(each, Mapping) else {field: each} for each in found]
