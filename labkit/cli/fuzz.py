"""``labkit fuzz``: random clusters against the specification."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from labkit.cli.kernels import spread
from labkit.cli.options import (
    GUESTS,
    Output,
    dataplane_option,
    dataplanes,
    iptables_option,
    kernel_option,
    kube_proxy_option,
    output_option,
    prepare,
    proxy_mode_option,
    quiet_option,
    rootless_option,
    write,
)
from labkit.errors import UsageError
from labkit.kernel.folders import cache_folder
from labkit.report import FUZZ_FORMATS

if TYPE_CHECKING:
    from labkit.fuzz.run import FuzzRequest
    from labkit.probe.findings import Failure, Findings

CLUSTERS: Final = 200
SECONDS: Final = 60


@click.command()
@click.option("--seed", type=int, default=0, show_default=True, help="Which clusters.")
@click.option(
    "--cases",
    type=click.IntRange(min=1),
    help=f"How many clusters. Default: {CLUSTERS}, or without end where --minutes is given.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="For how long, under each data plane.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, 5),
    default=5,
    show_default=True,
    help="Nodes of a cluster, at most.",
)
@click.option(
    "--services",
    type=click.IntRange(1, 9),
    default=3,
    show_default=True,
    help="Services of a cluster, at most.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1, max=256),
    help="Labs at a time. Default: four for each processor, as most of the time is waiting.",
)
@click.option("--keep-going", is_flag=True, help="Look for more after the first failure.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("labkit-fuzz.yaml"),
    show_default=True,
    help="Where to write the smallest cluster that fails, as a scenario.",
)
@click.option("--dask", metavar="ADDRESS", default="", help="Do it on this Dask cluster.")
@quiet_option
@rootless_option
@proxy_mode_option
@kube_proxy_option
@kernel_option
@iptables_option
@dataplane_option
@output_option
def command(
    seed: int,
    cases: int | None,
    minutes: float | None,
    nodes: int,
    services: int,
    jobs: int | None,
    keep_going: bool,  # noqa: FBT001 - click's
    save: Path,
    dask: str,
    quiet: bool,  # noqa: FBT001
    rootless: bool,  # noqa: FBT001
    kube_proxy: Path | None,
    proxy_mode: str | None,
    kernel: str,
    iptables: Literal["nft", "legacy"] | None,
    dataplane: str | None,
    outputs: tuple[Output, ...],
) -> int:
    """Try random clusters: does every flow end as Kubernetes specifies?

    Clusters have up to five nodes, and Services with every feature that labkit knows. The smallest
    that fails is written as a scenario file. The same seed tries the same clusters. Exit status 1
    if a flow is not as specified.

    \b
    labkit fuzz --seed 1 --cases 100
    labkit fuzz --minutes 10 --dataplane iptables,nftables,ipvs
    """  # noqa: D301
    check_formats(outputs)
    if not save.absolute().parent.is_dir():
        raise UsageError(f"--save {save}: {save.parent} is no folder; make it first")
    if dask and kernel in GUESTS:
        raise UsageError(
            f"--kernel {kernel} with --dask: labs run on the kernels of Dask's workers"
        )
    prepare(rootless=rootless)
    from labkit.fuzz.block import STORAGE, Block
    from labkit.fuzz.run import FuzzRequest
    from labkit.report import render_findings

    os.environ.setdefault(STORAGE, str(cache_folder() / "hypothesis"))
    if cases is None and minutes is None:
        cases = CLUSTERS
    requests = [
        FuzzRequest(
            block=Block(
                seed=seed,
                dataplane=plane or "iptables",
                iptables=iptables,
                kube_proxy=kube_proxy,
                proxy_mode=proxy_mode or "iptables",
                nodes=nodes,
                services=services,
            ),
            clusters=cases,
            within_s=None if minutes is None else minutes * SECONDS,
            jobs=jobs,
            keep_going=keep_going,
            dask=dask,
        )
        for plane in dataplanes(dataplane, kube_proxy)
    ]
    found = spread(
        requests,
        [() if dask else request.block.needs for request in requests],
        lambda mine: [_fuzz(each, quiet=quiet) for each in mine],
        kernel="host" if dask else kernel,
        outputs=[*outputs, Output("yaml", save)],
    )
    failures = [failure for each in found for failure in each.failures]
    unsaved = _save(failures[0], save) if failures else None
    again = "" if unsaved or not failures else _again(save, requests, failures[0])
    write(outputs, lambda fmt, paper: render_findings(found, fmt, again=again, **paper._asdict()))
    sys.stdout.flush()
    if unsaved:
        raise unsaved
    return 1 if failures else 0


def check_formats(outputs: Sequence[Output]) -> None:
    """Find out before anything is tried.

    Raises:
        UsageError: a format is none of this report.
    """
    for output in outputs:
        if output.format not in FUZZ_FORMATS:
            known = ", ".join(FUZZ_FORMATS)
            raise UsageError(f"-o {output.format} is no format of this report; there are: {known}")


def _fuzz(request: FuzzRequest, *, quiet: bool) -> Findings:
    from labkit.cli.ending import end_at_once_on_interrupt
    from labkit.fuzz.run import fuzz

    end_at_once_on_interrupt()
    with _bar(request, quiet=quiet) as tell:
        return fuzz(request, tell=tell)


@contextmanager
def _bar(request: FuzzRequest, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, if that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{request.block.dataplane}: clusters", total=request.clusters)
        yield lambda clusters: bar.advance(task, clusters)


def _save(failure: Failure, save: Path) -> UsageError | None:
    """Write a failure's scenario; return why it cannot be, so that the report is not lost."""
    from labkit.kernel.guest.exchange import place_of

    try:
        place_of(save).write_text(failure.scenario, encoding="utf-8")
    except OSError as error:
        return UsageError(f"--save {save}: {error.strerror}")
    return None


def _again(save: Path, requests: Sequence[FuzzRequest], failure: Failure) -> str:
    """Where the scenario is, and the command that shows it again."""
    block = next(each.block for each in requests if each.block.dataplane == failure.dataplane)
    words = ["labkit", "run", str(save)]
    words += ["--iptables", block.iptables] if block.iptables else []
    words += ["--kube-proxy", str(block.kube_proxy)] if block.kube_proxy else []
    words += ["--proxy-mode", block.proxy_mode] if block.is_hosted else []
    return f"written to {save}" + (f"; see it again: {shlex.join(words)}" if failure.alone else "")
