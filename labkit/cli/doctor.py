"""``labkit doctor``: what this kernel and machine can do, each thing really tried."""

from __future__ import annotations

import json
import platform

import click

from labkit.cli.kernels import leave_to
from labkit.cli.options import kernel_option, prepare, rootless_option
from labkit.kernel.guest.choose import choose


@click.command()
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@rootless_option
@kernel_option
def command(output: str, rootless: bool, kernel: str) -> None:  # noqa: FBT001
    """Try each feature in a scratch namespace and say what is missing and how to get it.

    \b
    labkit doctor
    labkit doctor --kernel uml
    """  # noqa: D301
    prepare(rootless=rootless)
    leave_to(choose(kernel, ()), ())
    from labkit.kernel.features import probe_features
    from labkit.kernel.netns import Edge

    with Edge() as edge:
        features = probe_features(edge)
    if output == "json":
        rows = [
            {"name": f.name, "available": f.available, "found": f.found, "remedy": f.remedy}
            for f in features
        ]
        click.echo(json.dumps({"kernel": platform.release(), "features": rows}, indent=2))
        return
    from tabulate import tabulate

    table = [
        (f.name, "yes" if f.available else "no", f.found, "" if f.available else f.remedy)
        for f in features
    ]
    click.echo(f"Linux {platform.release()}, {platform.machine()}\n")
    click.echo(tabulate(table, headers=["feature", "", "found", "what to do"], tablefmt="plain"))
