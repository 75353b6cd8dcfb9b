"""Files that hold a real node's rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from labkit.cluster.lookup import unknown
from labkit.cluster.model import Cluster, RealKubeProxy
from labkit.dataplane.dump.apply import DumpPlane
from labkit.dataplane.dump.parse import NodeDump, parse
from labkit.errors import UsageError
from labkit.lab import arguments

RENDERED: Final = "labkit's, after kube-proxy 1.36"


def rules_source(
    dataplane: str, dumps: Mapping[str, NodeDump], real: RealKubeProxy | None = None
) -> str:
    """Say where the nodes' rules come from: the renderer, a real kube-proxy, or real nodes."""
    made = f"the real {real}" if real else RENDERED
    rendered = "none" if dataplane == "none" else made
    return "; ".join([rendered, *(f"{node}: {dump.file}" for node, dump in dumps.items())])


def read_dumps(files: Mapping[str, str | Path], cluster: Cluster) -> Mapping[str, NodeDump]:
    """Return what each file holds, by the node that is to have it.

    Raises:
        UsageError: a node does not exist, or its file cannot be read or holds something else.
    """
    for node in arguments.mapping("rules", files, '{"node1": "node1.txt"}'):
        if node not in cluster.node_by_name:
            raise unknown("node", node, cluster.node_by_name)
    return {node: read_dump(Path(file)) for node, file in files.items()}


def read_dump(file: Path) -> NodeDump:
    """Return what one file holds.

    Raises:
        UsageError: it cannot be read or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is no text; save the rules with iptables-save") from error
    return parse(text, str(file))


def needs_of(files: Mapping[str, str | Path]) -> frozenset[str]:
    """Return the kernel's features that such files need.

    Raises:
        UsageError: one cannot be read or holds something else.
    """
    dumps = (read_dump(Path(file)) for file in files.values())
    return frozenset(need for dump in dumps for need in DumpPlane(dump=dump).needs)
