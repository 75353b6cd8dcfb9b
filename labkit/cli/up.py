"""``labkit up``: a lab that stays until it is told to go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from labkit.cli.labs import load_scenarios, requests_for
from labkit.cli.options import (
    LabOptions,
    dataplane_option,
    dataplanes,
    iptables_option,
    kube_proxy_option,
    only_services_option,
    proxy_mode_option,
    quiet_option,
    rootless_option,
    rules_option,
    seed_option,
)
from labkit.cli.progress import progress
from labkit.errors import MissingFeature, UsageError
from labkit.kernel.rootless import is_inside

if TYPE_CHECKING:
    from labkit.holder.protocol import Description
    from labkit.lab.runs import Request

IN_A_GUEST: Final = ", or --kernel uml"
"""The end of the remedy for what this kernel lacks, which is none here."""


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--name", help="What to call the lab, instead of its file's metadata.name.")
@click.option(
    "--netns-names",
    is_flag=True,
    help="Root only: give the namespaces names in /run/netns, NAME:HOST, for ip netns exec. They "
    "go with the lab.",
)
@quiet_option
@seed_option
@rootless_option
@only_services_option
@rules_option
@proxy_mode_option
@kube_proxy_option
@iptables_option
@dataplane_option
def command(
    paths: tuple[Path, ...],
    name: str | None,
    netns_names: bool,  # noqa: FBT001 - click's
    dataplane: str | None,
    iptables: Literal["nft", "legacy"] | None,
    kube_proxy: Path | None,
    proxy_mode: str | None,
    rules: tuple[tuple[str, Path], ...],
    only_services: bool,  # noqa: FBT001 - click's
    rootless: bool,  # noqa: FBT001
    seed: int,
    quiet: bool,  # noqa: FBT001
) -> None:
    """Build a lab and leave it running, to be looked at and changed; return when it is there.

    One process holds it. When that ends, however it ends, nothing of the lab is left.

    \b
    labkit up scenarios/nodeport-cluster.yaml
    labkit exec nodeport-cluster client -- curl -s 192.168.0.2:30080/clientip
    labkit down nodeport-cluster
    """  # noqa: D301
    if netns_names and (os.geteuid() or rootless or is_inside()):
        raise UsageError(
            "--netns-names is for root: /run/netns is the machine's; labkit exec NAME HOST needs no"
            " names there"
        )
    options = LabOptions(
        outputs=(),
        dataplane=dataplane,
        iptables=iptables,
        kernel="host",
        rules=rules,
        kube_proxy=kube_proxy,
        proxy_mode=proxy_mode,
        only_services=only_services,
        rootless=rootless,
        attempts=None,
        seed=seed,
        verbose=False,
        quiet=quiet,
    )
    _start(_the_one(paths, options), name, options, netns_names=netns_names)


def _the_one(paths: tuple[Path, ...], options: LabOptions) -> Request:
    planes = dataplanes(options.dataplane, options.kube_proxy)
    requests = requests_for(load_scenarios(paths, options), planes, options)
    if len(requests) != 1:
        raise UsageError(
            f"a lab that stays is of one scenario under one data plane, here are {len(requests)};"
            " build each with a labkit up of its own"
        )
    return requests[0]


def _start(request: Request, name: str | None, options: LabOptions, *, netns_names: bool) -> None:
    from labkit.holder.start import start
    from labkit.holder.state import open_folder

    called = name or request.scenario.lab.metadata.name
    try:
        with (
            open_folder() as folder,
            # Its wheel turns on a thread, and that begins once the process that stays was forked.
            start(
                folder,
                called,
                request,
                lambda: progress(called, quiet=options.quiet),
                netns_names=netns_names,
            ) as lab,
        ):
            click.echo(_words(lab))
    except MissingFeature as error:
        raise MissingFeature(
            error.feature,
            found=error.found,
            remedy=f"{error.remedy.removesuffix(IN_A_GUEST)}; labs that stay need it in this"
            " machine's kernel, labkit run FILE takes a guest's with --kernel uml",
        ) from error


def _words(lab: Description) -> str:
    """What was built, and what can be done with it."""
    counts = ", ".join(
        f"{len(names)} {one if len(names) == 1 else one + 's'}"
        for one, names in (
            ("node", lab.nodes),
            ("client", lab.clients),
            ("pod", lab.pods),
            ("Service", lab.services),
        )
    )
    host = (*lab.clients, *lab.nodes)[0]
    return (
        f"{lab.name} is up: {lab.dataplane}, {counts}\n"
        f"  labkit exec {lab.name} {host} -- ip route\n"
        f"  labkit matrix {lab.name}\n"
        f"  labkit shell {lab.name}\n"
        f"  labkit down {lab.name}"
    )
