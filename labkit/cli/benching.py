"""What the sub-commands of ``labkit bench`` share: options, the sweep, progress, and reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from labkit.cli import completing
from labkit.cli.options import (
    GUESTS,
    Decorator,
    Output,
    kernel_option,
    output_option_for,
    prepare,
    quiet_option,
    rootless_option,
    write,
)
from labkit.errors import LabkitError, UsageError
from labkit.manifest.problems import nearest, quote

if TYPE_CHECKING:
    from labkit.bench.contest import Cell, Notebook, Tell
    from labkit.bench.results import Report, Run

R = TypeVar("R")

FORMATS: Final = ("table", "markdown", "json", "svg", "png")
PICTURES: Final = ("svg", "png")
INTERRUPTED: Final = 130
HERE: Final = "here"
"""``--dask`` without a scheduler: one worker on this machine."""


class SizesType(click.ParamType[tuple[int, ...]]):
    """``N[,N]``, whole numbers from 1."""

    name = "N[,N]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read a list of sizes."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        wrong = [word for word in words if not word.strip().isdecimal() or int(word) == 0]
        if wrong:
            self.fail(f"{wrong[0]!r} is no size; give whole numbers from 1, as 10,100", param, ctx)
        return tuple(dict.fromkeys(map(int, words)))


class NamesType(click.ParamType[tuple[str, ...]]):
    """``NAME[,NAME]`` of some names."""

    name = "NAME[,NAME]"

    def __init__(self, names: Sequence[str], what: str) -> None:
        self._names = names
        self._what = what

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the names."""
        return completing.one_of(self._names)(ctx, param, incomplete)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read a list of names."""
        if isinstance(value, tuple):
            return value
        names = tuple(filter(None, map(str.strip, str(value).split(","))))
        for name in names:
            if name not in self._names:
                remedy = nearest(name, self._names)
                self.fail(f"there is no {self._what} {quote(name)}; {remedy}", param, ctx)
        if not names:
            self.fail(
                f"this names no {self._what}; there are: {', '.join(self._names)}", param, ctx
            )
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every benchmark can be asked for."""

    outputs: tuple[Output, ...]
    kernel: str
    dask: str
    rounds: int | None
    seed: int
    quick: bool
    quiet: bool
    rootless: bool

    def round_count(self, usual: int) -> int:
        """How many rounds; a quick benchmark has one, unless it is told."""
        return self.rounds or (1 if self.quick else usual)


def sizes_option(name: str, usual: Sequence[int], what: str) -> Decorator:
    """Return an option that takes sizes."""
    shown = ",".join(map(str, usual))
    return click.option(name, type=SizesType(), help=f"{what} Default: {shown}.")


def only_option(names: Sequence[str]) -> Decorator:
    """Return ``--only``."""
    return click.option(
        "--only",
        type=NamesType(names, "contestant"),
        default=(),
        help=f"Who takes part, instead of all: {', '.join(names)}.",
    )


def bench_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of every benchmark; it gets them as one ``asked``."""

    @wraps(command)
    def with_options(**given: object) -> R:
        mine = {field.name: given.pop(field.name) for field in fields(Asked)}
        return command(asked=Asked(**mine), **given)  # type: ignore[arg-type]  # click's

    bundled: Callable[..., R] = with_options
    for option in (
        quiet_option,
        rootless_option,
        click.option("--dask", metavar="[SCHEDULER]", is_flag=False, flag_value=HERE, default="",
                     help="Give each size to a worker of this Dask cluster, one at a time on each "
                     "machine; without an address, to a worker on this one."),
        kernel_option,
        click.option("--quick", is_flag=True, help="Small sizes and one round: a few seconds."),
        click.option("--seed", type=int, default=0, show_default=True,
                     help="Who begins in which round, and what is made up."),
        click.option("--rounds", type=click.IntRange(min=1, max=1000),
                     help="How often everybody has a turn."),
        output_option_for(FORMATS),
    ):  # fmt: skip
        bundled = option(bundled)
    return bundled


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A whole benchmark: its cells, and what each needs of the kernel."""

    bench: str
    sizes: str
    cells: Sequence[Cell]
    rounds: int
    options: dict[str, str]
    needs: Sequence[Sequence[str]] = ()

    def measure(self, asked: Asked) -> int:
        """Measure every cell, write the reports, and return the exit status.

        Whatever ends it early, what was measured by then is reported.
        """
        check_outputs(asked.outputs)
        if asked.dask and asked.kernel in GUESTS:
            raise UsageError(
                f"--kernel {asked.kernel} with --dask: labs run on the kernels of Dask's workers"
            )
        prepare(rootless=asked.rootless)
        date = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        finished: list[Run] = []
        ended: BaseException | None = None
        try:
            with _bar(self, quiet=asked.quiet) as tell:
                self._sweep(asked, finished, tell)
        except (KeyboardInterrupt, SystemExit) as error:
            if isinstance(error, SystemExit) and error.code != INTERRUPTED:
                raise
            ended = error
        except LabkitError as error:
            ended = error
        report = self._report(asked, finished, date, complete=ended is None)
        if any(run.measurements for run in report.runs):
            write_report([report], asked.outputs)
        if isinstance(ended, LabkitError):
            raise ended
        return INTERRUPTED if ended else 0

    def _sweep(self, asked: Asked, finished: list[Run], tell: Tell) -> None:
        if asked.dask:
            from labkit.bench.on_dask import on_dask

            for cell, run in on_dask(self.cells, "" if asked.dask == HERE else asked.dask):
                finished.append(run)
                tell(cell.weight)
            return
        from labkit.cli.kernels import spread

        notebooks: list[Notebook] = []
        try:
            found = spread(
                self.cells,
                self.needs or [() for _ in self.cells],
                lambda mine: _measured(mine, notebooks, tell),
                kernel=asked.kernel,
                outputs=asked.outputs,
                report_here=True,
            )
        except BaseException:
            finished += [notebook.run() for notebook in notebooks]
            raise
        finished += found

    def _report(self, asked: Asked, runs: Sequence[Run], date: str, *, complete: bool) -> Report:
        from labkit.bench.results import Report, merged

        return Report(
            bench=self.bench,
            sizes=self.sizes,
            date=date,
            seed=asked.seed,
            rounds=self.rounds,
            complete=complete,
            options=self.options,
            runs=merged(runs),
        )


def _measured(cells: Sequence[Cell], notebooks: list[Notebook], tell: Tell) -> list[Run]:
    """Measure cells here; what there is of the one under way is in the last notebook."""
    from labkit.bench.contest import Notebook
    from labkit.bench.machine import this_machine

    for cell in cells:
        notebooks.append(Notebook(this_machine()))
        cell.measure(notebooks[-1], tell)
    return [notebook.run() for notebook in notebooks]


def check_outputs(outputs: Sequence[Output]) -> None:
    """Find out before anything is measured what cannot be written.

    Raises:
        UsageError: a PNG would go to standard output.
        MissingFeature: there is no matplotlib.
    """
    for output in outputs:
        if output.format == "png" and output.file is None:
            raise UsageError("-o png is no text; write it to a file: -o png=FILE")
        if output.format in PICTURES:
            from labkit.bench.drawing import check_matplotlib

            check_matplotlib()


def write_report(
    reports: Sequence[Report], outputs: tuple[Output, ...], *, metrics: Sequence[str] = ()
) -> None:
    """Write reports in each format.

    Raises:
        UsageError: a file cannot be written.
    """
    for output in outputs:
        if output.format == "png" and output.file:
            try:
                output.file.write_bytes(_picture(reports, "png", metrics))
            except OSError as error:
                raise UsageError(f"-o png={output.file}: {error.strerror}") from error
        else:
            write((output,), lambda fmt, _paper: _text(reports, fmt, metrics))
    sys.stdout.flush()


def _text(reports: Sequence[Report], fmt: str, metrics: Sequence[str]) -> str:
    from labkit.bench.results import to_json
    from labkit.bench.tables import report_markdown, report_text

    match fmt:
        case "json":
            return "".join(map(to_json, reports))
        case "markdown":
            return "\n".join(report_markdown(each, metrics=metrics) for each in reports)
        case "svg":
            return _picture(reports, "svg", metrics).decode()
        case _:
            return "\n".join(report_text(each, metrics=metrics) for each in reports)


def _picture(reports: Sequence[Report], fmt: str, metrics: Sequence[str]) -> bytes:
    from labkit.bench.drawing import drawn
    from labkit.bench.plots import footnote, panels

    shown = [panel for each in reports for panel in panels(each, metrics=metrics)]
    if not shown:
        raise UsageError(f"there is nothing to draw in a {fmt}; name what to show: --metric NAME")
    return drawn(shown, [footnote(each) for each in reports], fmt)


@contextmanager
def _bar(sweep: Sweep, *, quiet: bool) -> Iterator[Tell]:
    """A progress bar on stderr with the time that is left, if that is a terminal."""
    from labkit.cli.progress import can_show

    if not can_show(quiet=quiet):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        total = sum(cell.weight for cell in sweep.cells)
        task = bar.add_task(f"labkit bench {sweep.bench}", total=total)
        yield lambda weight: bar.advance(task, weight)
