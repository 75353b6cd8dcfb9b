"""What commands that build labs have in common: files in, requests out, results from everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from labkit.cli.ending import end_at_once_on_interrupt
from labkit.cli.kernels import spread
from labkit.cli.options import LabOptions, prepare
from labkit.cli.progress import progress, progress_of
from labkit.errors import UsageError
from labkit.lab.github import on_github

if TYPE_CHECKING:
    from labkit.errors import MissingFeature
    from labkit.lab.meter import Meter
    from labkit.lab.runs import Request
    from labkit.manifest.kinds import Scenario

R = TypeVar("R")
KUBE_PROXY: Final = "kube-proxy"


def load_scenarios(paths: Sequence[Path], options: LabOptions) -> list[Scenario]:
    """Read the scenarios that files and folders hold; makes namespaces possible first.

    Raises:
        ManifestError: a file is wrong.
        UsageError: a folder holds no scenario.
        MissingFeature: this process may not make namespaces.
    """
    prepare(rootless=options.rootless)
    from labkit.lab.runs import scenario_files
    from labkit.manifest.load import load_each
    from labkit.manifest.only_services import only_services

    scenarios = load_each(scenario_files(paths))
    if options.only_services:
        scenarios = [only_services(scenario) for scenario in scenarios]
    if options.verbose:
        for scenario in scenarios:
            if scenario.ignored:
                click.echo(f"{scenario.path}: left out: {', '.join(scenario.ignored)}", err=True)
    return scenarios


def requests_for(
    scenarios: Sequence[Scenario],
    dataplanes: Sequence[str | None],
    options: LabOptions,
    *,
    sources: str | None = None,
) -> list[Request]:
    """Return what is to be run: every scenario under every data plane, scenario by scenario.

    Args:
        scenarios: what to run.
        dataplanes: under what; None for the Lab's own.
        options: the command's.
        sources: the option ``--from``.

    Raises:
        UsageError: a mode of kube-proxy is asked for, and none is to be run.
    """
    from labkit.lab.runs import Request

    found = [
        Request(
            scenario=scenario,
            dataplane=plane,
            iptables=options.iptables,
            rules=dict(options.rules),
            kube_proxy=options.kube_proxy,
            proxy_mode=options.proxy_mode,
            sources=names_of(sources),
            seed=options.seed,
            attempts=options.attempts,
            evidence=any(output.format == "html" for output in options.outputs),
        )
        for scenario in scenarios
        for plane in dataplanes
    ]
    if options.proxy_mode and all(request.plane != KUBE_PROXY for request in found):
        planes = ", ".join(dict.fromkeys(request.plane for request in found))
        raise UsageError(
            f"--proxy-mode {options.proxy_mode} is for a real kube-proxy, not for {planes}; "
            "give --dataplane kube-proxy or --kube-proxy PATH"
        )
    return found


def names_of(sources: str | None) -> list[str] | None:
    """Read the option ``--from``; None for what is the default.

    Raises:
        UsageError: it names nobody.
    """
    if sources is None:
        return None
    names = [each for each in map(str.strip, sources.split(",")) if each]
    if not names:
        raise UsageError("--from names no host; give names of clients, nodes and pods, or all")
    return names


def everywhere(
    requests: Sequence[Request],
    work: Callable[[Sequence[Request], Meter], Sequence[R]],
    options: LabOptions,
    *,
    missing: Callable[[Request, MissingFeature], R] | None = None,
    on_interrupt: Callable[[], None] = end_at_once_on_interrupt,
) -> list[R]:
    """Return the results of ``work`` on all requests, each on a kernel that has what it needs.

    Args:
        requests: what to do.
        work: does it, and tells the meter how far it has come.
        options: the command's.
        missing: the result of a request for which no kernel here has what it needs.
        on_interrupt: sets what Ctrl-C does from then on.

    Raises:
        UsageError: a file of ``--rules`` cannot be read, or kube-proxy has no such mode.
        MissingFeature: no kernel here has what a data plane needs.
        LabError: a guest died.
    """
    from labkit.lab.dumps import needs_of
    from labkit.lab.meter import Meter

    def here(mine: Sequence[Request]) -> Sequence[R]:
        on_interrupt()
        meter = Meter(len(mine))
        with progress_of(meter, quiet=options.quiet):
            return work(mine, meter)

    also = needs_of(dict(options.rules))
    return spread(
        requests,
        [(*request.needs, *also) for request in requests],
        here,
        kernel=options.kernel,
        outputs=options.outputs,
        missing=missing,
        report_here=on_github(),
        showing=partial(progress, quiet=options.quiet),
    )


def tell_logs(scenario: str, logs: Mapping[str, str], options: LabOptions) -> None:
    """Print what programs in pods wrote, if that was asked for."""
    if options.verbose:
        for where, text in logs.items():
            click.echo(f"--- {scenario}: {where}\n{text}", err=True)
