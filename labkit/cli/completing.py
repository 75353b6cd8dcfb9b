"""What a shell can complete of a command line: names of labs, and of what is in them.

Whatever goes wrong here is no matter: a shell that gets no names completes none.

Source: click's documentation, "Shell Completion".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem

from labkit.errors import LabkitError

if TYPE_CHECKING:
    import click

    from labkit.holder.protocol import Named

PATIENCE_S: Final = 1.0
"""Nobody waits longer for a name."""
LABS_FILES: Final = ("name", "file", "scenario", "paths")
"""The arguments that a command can have its lab or scenario in."""
Complete = Callable[["click.Context", "click.Parameter", str], list[CompletionItem]]


def labs(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The labs that stay."""
    return _items(_running(), begun)


def labs_or_files(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """The labs that stay, or the shell's own completion of files if none begins so."""
    return _items(_running(), begun) or [CompletionItem(begun, type="file")]


def hosts(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Clients, nodes and pods of the lab or scenario."""
    named = _named(context)
    return _items(named.hosts, begun) if named else []


def nodes(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Nodes."""
    named = _named(context)
    return _items(named.nodes, begun) if named else []


def pods(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Pods."""
    named = _named(context)
    return _items(named.pods, begun) if named else []


def targets(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Services, NodePorts and pods with their ports."""
    named = _named(context)
    return _items(named.targets, begun) if named else []


def objects(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """``KIND/NAME`` of what can be deleted."""
    named = _named(context)
    return _items(named.objects, begun) if named else []


def sources(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Hosts, and further ones behind a comma."""
    named = _named(context)
    return _listed([*named.hosts, "all"], begun) if named else []


def one_of(words: Sequence[str]) -> Complete:
    """Words of a list, and further ones behind a comma."""

    def complete(
        _context: click.Context, _parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        return _listed(words, begun)

    return complete


def lab_host_command(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """``NAME HOST [--] CMD...`` of `labkit exec`: behind the host the shell's own files."""
    words = [*(context.params.get("words") or ())]
    if not words:
        return labs(context, parameter, begun)
    if len(words) == 1:
        context.params["name"] = words[0]
        return hosts(context, parameter, begun)
    if words[2:] in ([], ["--"]) and "/" not in begun:
        from labkit.cli.prompt.machine import programs

        return _items(programs(), begun)
    return [CompletionItem(begun, type="file")]


def _items(words: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(begun)]


def _listed(words: Iterable[str], begun: str) -> list[CompletionItem]:
    before, comma, _last = begun.rpartition(",")
    return _items((f"{before}{comma}{word}" for word in words), begun)


def _running() -> list[str]:
    from labkit.holder.state import open_folder

    with suppress(LabkitError, OSError), open_folder() as folder:
        return folder.labs()
    return []


def _named(context: click.Context) -> Named | None:
    """The names of the lab or scenario that the command line has so far."""
    # Where an option's value is begun, click has left the arguments where they were.
    given = next((context.params[each] for each in LABS_FILES if context.params.get(each)), None)
    given = given or tuple(context.args) or None
    first = given[0] if isinstance(given, tuple) else given
    if first is None:
        return None
    with suppress(LabkitError, OSError):
        return _of_lab(str(first)) if str(first) in _running() else _of_file(Path(str(first)))
    return None


def _of_lab(name: str) -> Named | None:
    from labkit.holder.client import ask
    from labkit.holder.protocol import Named, Names
    from labkit.holder.state import open_folder

    with open_folder() as folder:
        answer = ask(folder, name, Names(), within_s=PATIENCE_S)
    return answer if isinstance(answer, Named) else None


def _of_file(path: Path) -> Named:
    from labkit.cluster.build import build_cluster
    from labkit.holder.names import named
    from labkit.manifest.load import load

    scenario = load(Path(os.path.expanduser(path)))  # noqa: PTH111 - a shell completes ~ as it is
    return named(build_cluster(scenario), scenario)
