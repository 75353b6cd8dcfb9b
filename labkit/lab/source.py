"""What a Lab can be made from: a file, a scenario, or a few words in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from labkit.manifest import kinds
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load, load_objects

Source: TypeAlias = Scenario | str | Path | Sequence[Mapping[str, object]]
"""A scenario, the path of its file, or manifests as Python dictionaries."""


def scenario_of(source: Source) -> Scenario:
    """Return the validated scenario that ``source`` is or describes.

    Raises:
        ManifestError: something in it is wrong.
    """
    if isinstance(source, Scenario):
        return source
    if isinstance(source, str | Path):
        return load(source)
    return load_objects(source)


def lab_object(
    name: str, nodes: int | Sequence[str], clients: Sequence[str], spec: Mapping[str, object]
) -> Mapping[str, object]:
    """A Lab manifest from a few words: how many nodes, or their names."""
    names = [f"node{number}" for number in range(1, nodes + 1)] if isinstance(nodes, int) else nodes
    return {
        "apiVersion": kinds.LABKIT_API,
        "kind": "Lab",
        "metadata": {"name": name},
        "spec": {
            "nodes": [{"name": each} for each in names],
            "clients": [{"name": each} for each in clients],
            **spec,
        },
    }


def pod_object(
    name: str,
    *,
    node: str | None,
    labels: Mapping[str, str],
    ports: Sequence[int | Mapping[str, object]],
    command: Sequence[str],
) -> Mapping[str, object]:
    """A Pod manifest with one container; a bare port number is a TCP containerPort."""
    declared = [{"containerPort": port} if isinstance(port, int) else dict(port) for port in ports]
    namespace, _, short = name.rpartition("/")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": short,
            "labels": dict(labels),
            **({"namespace": namespace} if namespace else {}),
        },
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [{"name": "main", "ports": declared, "command": list(command)}],
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
    declared = [{"port": port} if isinstance(port, int) else dict(port) for port in ports]
    namespace, _, short = name.rpartition("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": short, **({"namespace": namespace} if namespace else {})},
        "spec": {"selector": dict(selector), "ports": declared, **spec},
    }
