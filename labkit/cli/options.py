"""Options that several sub-commands share, and what has to happen before a lab can be built."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from labkit.cli import completing
from labkit.errors import MissingFeature, UsageError
from labkit.manifest.kinds import DATAPLANES, PROXY_MODES
from labkit.manifest.problems import nearest, quote
from labkit.report import FORMATS

R = TypeVar("R")
Decorator = Callable[[Any], Any]
"""One of click's, which take functions and commands alike."""

GUESTS: Final = ("uml", "qemu")
KERNELS: Final = ("auto", "host", *GUESTS)
MARKS: Final = "✔✘→×…"


class Output(NamedTuple):
    """One report to write: its format, and the file it goes to; None for stdout."""

    format: str
    file: Path | None


class Paper(NamedTuple):
    """What the reader of a report can show."""

    color: bool
    unicode: bool


class OutputType(click.ParamType[Output]):
    """``FORMAT`` or ``FORMAT=FILE``."""

    name = "FORMAT[=FILE]"

    def __init__(self, formats: Sequence[str] = FORMATS) -> None:
        self._formats = formats

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the formats."""
        del ctx, param
        return [CompletionItem(each) for each in self._formats if each.startswith(incomplete)]

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Output:
        """Read one ``-o``."""
        if isinstance(value, Output):
            return value
        name, equals, file = str(value).partition("=")
        if name not in self._formats:
            there_are = ", ".join(self._formats)
            self.fail(f"{name!r} is no format; there are: {there_are}", param, ctx)
        if equals and not file:
            self.fail(f"{value!r} names no file; write {name}=FILE or {name}", param, ctx)
        path = Path(file) if file else None
        if path and not path.parent.is_dir():
            self.fail(f"{path.parent} is no folder; make it first", param, ctx)
        return Output(name, path)


class RulesType(click.ParamType[tuple[str, Path]]):
    """``NODE=FILE``."""

    name = "NODE=FILE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Read one ``--rules``."""
        if isinstance(value, tuple):
            return value
        node, equals, file = str(value).partition("=")
        if not (node and equals and file):
            self.fail(f"{value!r} is no NODE=FILE; write --rules node1=node1.txt", param, ctx)
        return node, Path(file)


def _each_has_its_place(
    context: click.Context, option: click.Parameter, outputs: tuple[Output, ...]
) -> tuple[Output, ...]:
    """Refuse two reports that would be written over each other, or into each other."""
    places: dict[Path | None, str] = {}
    for output in outputs:
        place = output.file and output.file.absolute()
        if place in places:
            where = f"to {output.file}" if output.file else "to standard output"
            both = f"{places[place]} and {output.format} both go {where}"
            remedy = f"give one a file of its own: -o {output.format}=FILE"
            raise click.BadParameter(f"{both}; {remedy}", context, option)
        places[place] = output.format
    return outputs


def output_option_for(formats: Sequence[str], *, of: str = "report") -> Decorator:
    """Return ``-o`` of a report with formats of its own; the first is the default."""
    return click.option(
        "-o",
        "--output",
        "outputs",
        type=OutputType(formats),
        multiple=True,
        default=(formats[0],),
        show_default=formats[0],
        callback=_each_has_its_place,
        help=f"Format of the {of} ({', '.join(formats)}), =FILE to write it there; "
        "may be given more than once.",
    )


output_option = output_option_for(FORMATS)
dataplane_option = click.option(
    "--dataplane",
    metavar="NAME[,NAME]",
    shell_complete=completing.one_of(DATAPLANES),
    help=f"Data planes to run under, instead of the Lab's: {', '.join(DATAPLANES)}.",
)
kernel_option = click.option(
    "--kernel",
    type=click.Choice(KERNELS),
    default="auto",
    show_default=True,
    help="Kernel to run on: this one, or a guest.",
)
iptables_option = click.option(
    "--iptables",
    type=click.Choice(["nft", "legacy"]),
    help="Which iptables to use, instead of the one that the kernel has.",
)
sources_option = click.option(
    "--from",
    "sources",
    metavar="NAME[,NAME]|all",
    shell_complete=completing.sources,
    help="Sources: names of clients, nodes and pods, or all. Default: every client, every node "
    "and, per Service and node, one endpoint pod and one other.",
)
rules_option = click.option(
    "--rules",
    "rules",
    type=RulesType(),
    multiple=True,
    help="Give a node the rules of a real one, from a file that holds its iptables-save, nft list "
    "ruleset, or ipvsadm -Sn and ipset save; may be given more than once.",
)
kube_proxy_option = click.option(
    "--kube-proxy",
    "kube_proxy",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The real kube-proxy to run in every node, instead of the one on PATH; without "
    "--dataplane, that is then kube-proxy.",
)
proxy_mode_option = click.option(
    "--proxy-mode",
    type=click.Choice(PROXY_MODES),
    help="Mode of the real kube-proxy, instead of the Lab's.",
)
only_services_option = click.option(
    "--only-services",
    is_flag=True,
    help="Leave out pods that matter to no Service and no Check.",
)
rootless_option = click.option(
    "--rootless", is_flag=True, help="Run in a user namespace; the default when not root."
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Order of the probes."
)
attempts_option = click.option(
    "--attempts",
    type=click.IntRange(min=1, max=10_000),
    help="Attempts per flow, instead of as many as it takes to see every endpoint.",
)
protocol_option = click.option(
    "--protocol",
    type=click.Choice(["TCP", "UDP", "SCTP"], case_sensitive=False),
    default="TCP",
    show_default=True,
    help="What the source speaks.",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Print to stderr what programs in pods wrote, and what of a file was left out.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """What every command that builds labs can be asked for."""

    outputs: tuple[Output, ...]
    dataplane: str | None
    iptables: Literal["nft", "legacy"] | None
    kernel: str
    rules: tuple[tuple[str, Path], ...]
    kube_proxy: Path | None
    proxy_mode: str | None
    only_services: bool
    rootless: bool
    attempts: int | None
    seed: int
    verbose: bool
    quiet: bool


def lab_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of every command that builds labs; it gets them as one ``options``."""
    return lab_options_with(output_option, attempts_option)(command)


def lab_options_with(
    *options: Decorator,
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return `lab_options` for a command with ``outputs`` and ``attempts`` of its own kind."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @wraps(command)
        def with_options(**given: object) -> R:
            mine = {field.name: given.pop(field.name) for field in fields(LabOptions)}
            return command(options=LabOptions(**mine), **given)  # type: ignore[arg-type]  # click's

        bundled: Callable[..., R] = with_options
        for option in (
            quiet_option,
            verbose_option,
            seed_option,
            rootless_option,
            only_services_option,
            rules_option,
            proxy_mode_option,
            kube_proxy_option,
            kernel_option,
            iptables_option,
            dataplane_option,
            *options,
        ):
            bundled = option(bundled)
        return bundled

    return decorate


def dataplanes(text: str | None, kube_proxy: Path | None = None) -> tuple[str | None, ...]:
    """Read ``--dataplane``; a single None stands for the Lab's own.

    Who names a kube-proxy and no data plane wants to see that kube-proxy.
    """
    if text is None:
        return (None,) if kube_proxy is None else ("kube-proxy",)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in DATAPLANES:
            raise UsageError(f"there is no data plane {quote(name)}; {nearest(name, DATAPLANES)}")
    if not names:
        raise UsageError(f"--dataplane names no data plane; {nearest('', DATAPLANES)}")
    if kube_proxy is not None and "kube-proxy" not in names:
        raise UsageError(
            f"--kube-proxy {kube_proxy} is not used under --dataplane {text}; add kube-proxy to it"
        )
    return names


def prepare(*, rootless: bool) -> None:
    """See to it that this process may make namespaces; re-executes itself where it must.

    A guest needs no rights here: that one is asked for, or that ``auto`` can have one, is enough.

    Raises:
        MissingFeature: it may not.
    """
    from labkit.kernel.guest.choose import installed
    from labkit.kernel.rootless import is_inside, is_root, reexec_in_user_namespace

    kernel = click.get_current_context().params.get("kernel", "host")
    if is_inside() or kernel in GUESTS or (is_root() and not rootless):
        return
    try:
        reexec_in_user_namespace(sys.argv[1:])
    except MissingFeature:
        if kernel != "auto" or not installed():
            raise


def write(outputs: tuple[Output, ...], render: Callable[[str, Paper], str]) -> None:
    """Write each report; ``render`` takes a format and what its reader can show.

    Raises:
        UsageError: a file cannot be written.
    """
    write_pieces(outputs, lambda fmt, paper: [render(fmt, paper).rstrip("\n") + "\n"])


def write_pieces(
    outputs: tuple[Output, ...], render: Callable[[str, Paper], Iterable[str]]
) -> None:
    """Write each report as it comes, piece by piece; the last piece ends a line.

    Raises:
        UsageError: a file cannot be written.
    """
    from labkit.kernel.guest.exchange import place_of

    for output in outputs:
        if output.file is None:
            paper = terminal()
            for piece in render(output.format, paper):
                # A guest's stdout is a file: click would take the colours out again.
                click.echo(piece, nl=False, color=paper.color or None)
            continue
        pieces = render(output.format, Paper(color=False, unicode=True))
        try:
            with place_of(output.file).open("w", encoding="utf-8") as file:
                file.writelines(pieces)
        except OSError as error:
            raise UsageError(f"-o {output.format}={output.file}: {error.strerror}") from error


def terminal() -> Paper:
    """What stdout can show: which characters, and colour on a terminal.

    Not if NO_COLOR is set, or TERM is ``dumb``.
    """
    from labkit.kernel.guest.exchange import reader_is_a_terminal

    try:
        MARKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        unicode = False
    else:
        unicode = True
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return Paper(color=reader_is_a_terminal() and not plain, unicode=unicode)
