"""``labkit conformance``: how far a kube-proxy keeps to what Kubernetes specifies."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from labkit.cli.fuzz import check_formats
from labkit.cli.kernels import spread
from labkit.cli.labs import KUBE_PROXY
from labkit.cli.options import (
    Output,
    dataplane_option,
    dataplanes,
    iptables_option,
    kernel_option,
    kube_proxy_option,
    output_option,
    prepare,
    quiet_option,
    rootless_option,
    write,
)
from labkit.cli.progress import progress
from labkit.errors import UsageError
from labkit.kernel.folders import cache_folder
from labkit.manifest.kinds import PROXY_MODES

if TYPE_CHECKING:
    from labkit.fuzz.run import FuzzRequest
    from labkit.lab.runs import Request
    from labkit.probe.conformance import Conformance

SCENARIOS: Final = Path("scenarios")
CASES: Final = 100
LABS_AT_A_TIME: Final = 4


@click.command()
@click.argument("paths", metavar="[FILE|DIR...]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--mode",
    "--proxy-mode",
    "proxy_mode",
    type=click.Choice(PROXY_MODES),
    help="Mode of the real kube-proxy. Default: iptables.",
)
@click.option(
    "--cases",
    type=click.IntRange(min=0),
    default=CASES,
    show_default=True,
    help="How many random clusters to try, beside the scenarios.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=LABS_AT_A_TIME,
    show_default=True,
    help="Labs at a time.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Which random clusters, and the order of the probes.",
)
@quiet_option
@rootless_option
@kernel_option
@iptables_option
@kube_proxy_option
@dataplane_option
@output_option
def command(
    paths: tuple[Path, ...],
    proxy_mode: str | None,
    cases: int,
    jobs: int,
    seed: int,
    quiet: bool,  # noqa: FBT001 - click's
    rootless: bool,  # noqa: FBT001
    kernel: str,
    iptables: Literal["nft", "legacy"] | None,
    kube_proxy: Path | None,
    dataplane: str | None,
    outputs: tuple[Output, ...],
) -> int:
    """Judge a kube-proxy: every flow of all scenarios, and of random clusters.

    Without FILE, the scenarios of the folder scenarios/. Flows are held against what Kubernetes
    specifies, and against what this version and mode is known to do otherwise. Exit status 1 if
    a flow is neither, a Check fails or the program does.

    \b
    labkit conformance --kube-proxy /usr/local/bin/kube-proxy
    labkit conformance --kube-proxy ./kube-proxy --mode nftables -o json=conformance.json
    labkit conformance --dataplane ipvs
    """  # noqa: D301
    check_formats(outputs)
    (plane, *others) = dataplanes(dataplane, kube_proxy)
    if others:
        raise UsageError("--dataplane names several; judge one at a time")
    if proxy_mode and plane not in {None, KUBE_PROXY}:
        raise UsageError(f"--mode {proxy_mode} is for a real kube-proxy, not for {plane}")
    prepare(rootless=rootless)
    from labkit.fuzz.block import STORAGE, Block
    from labkit.fuzz.run import FuzzRequest
    from labkit.report import render_conformance

    os.environ.setdefault(STORAGE, str(cache_folder() / "hypothesis"))
    block = Block(
        seed=seed,
        dataplane=plane or KUBE_PROXY,
        iptables=iptables,
        kube_proxy=kube_proxy,
        proxy_mode=proxy_mode or "iptables",
        nodes=3,
    )
    fuzz = FuzzRequest(block=block, clusters=cases, jobs=jobs, keep_going=True)
    requests = _requests(paths, fuzz)
    (found,) = spread(
        [fuzz],
        [block.needs],
        lambda _: [_judge(requests, fuzz, jobs=jobs, quiet=quiet)],
        kernel=kernel,
        outputs=outputs,
    )
    write(outputs, lambda fmt, paper: render_conformance(found, fmt, **paper._asdict()))
    sys.stdout.flush()
    return 0 if found.passed else 1


def _requests(paths: Sequence[Path], fuzz: FuzzRequest) -> list[Request]:
    """The scenarios to run, all under one data plane."""
    from labkit.lab.runs import Request, scenario_files
    from labkit.manifest.load import load_each

    if not paths and not SCENARIOS.is_dir():
        raise UsageError(f"there is no folder {SCENARIOS}/ here; name scenario files")
    block = fuzz.block
    return [
        Request(
            scenario=scenario,
            dataplane=block.dataplane,
            iptables=block.iptables,
            kube_proxy=block.kube_proxy,
            proxy_mode=block.proxy_mode,
            seed=block.seed,
        )
        for scenario in load_each(scenario_files(paths or [SCENARIOS]))
    ]


def _judge(
    requests: Sequence[Request], fuzz: FuzzRequest, *, jobs: int, quiet: bool
) -> Conformance:
    from labkit.cli.ending import end_at_once_on_interrupt
    from labkit.fuzz.conformance import conforms

    end_at_once_on_interrupt()
    with progress(f"{len(requests)} scenarios, {fuzz.clusters} random clusters", quiet=quiet):
        return conforms(requests, fuzz, jobs=jobs)
