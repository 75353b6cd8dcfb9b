"""The path of a flow's packets as text, as Markdown, as a sequence diagram, or as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from labkit.errors import UsageError
from labkit.trace.path import Path

PATH_FORMATS: Final = ("table", "markdown", "mermaid", "json", "svg", "html")


def render_paths(
    paths: Sequence[Path], fmt: str, *, color: bool = False, unicode: bool = True
) -> str:
    """Return the report of paths, with a line end at its end.

    Args:
        paths: the ways that a flow's packets went; several if attempts or data planes differ.
        fmt: one of `PATH_FORMATS`.
        color: ANSI colours, in a table.
        unicode: False for a table in ASCII.

    Raises:
        UsageError: there is no such format.
    """
    match fmt:
        case "table":
            from labkit.report.paths.text import paths_text
            from labkit.report.table import Paper

            return paths_text(paths, Paper(color=color, unicode=unicode))
        case "markdown":
            from labkit.report.paths.markdown import paths_markdown as render
        case "mermaid":
            from labkit.report.paths.mermaid import paths_mermaid as render
        case "json":
            from labkit.report.paths.json import paths_json as render
        case "svg":
            from labkit.report.paths.svg import paths_svg as render
        case "html":
            from labkit.report.paths.page import paths_html as render
        case _:
            raise UsageError(
                f"{fmt!r} is no format of this report; there are: {', '.join(PATH_FORMATS)}"
            )
    return render(paths)
