"""The topology of a cluster as a picture: SVG, Mermaid, dot or an HTML page. Pure.

Each format is imported when it is asked for. The same cluster gives the same bytes, and all of them
are ASCII: no terminal and no file can spoil them.
"""

from __future__ import annotations

from typing import Final, Literal

from labkit.cluster.model import Cluster
from labkit.errors import UsageError
from labkit.report.graph.topology import topology_of

GraphFormat = Literal["svg", "mermaid", "dot", "html"]
GRAPH_FORMATS: Final[tuple[GraphFormat, ...]] = ("svg", "mermaid", "dot", "html")


def render_graph(cluster: Cluster, fmt: GraphFormat | str) -> str:
    """Return the picture of ``cluster``, with a line end at its end.

    Raises:
        UsageError: there is no such format.
    """
    match fmt:
        case "svg":
            from labkit.report.graph.svg import topology_svg as render
        case "mermaid":
            from labkit.report.graph.mermaid import topology_mermaid as render
        case "dot":
            from labkit.report.graph.dot import topology_dot as render
        case "html":
            from labkit.report.graph.html import topology_html as render
        case _:
            raise UsageError(f"{fmt!r} is no picture; there are: {', '.join(GRAPH_FORMATS)}")
    return render(topology_of(cluster))
