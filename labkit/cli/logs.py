"""``labkit logs``: what programs in the pods of a lab that stays have printed."""

from __future__ import annotations

import click

from labkit.cli import completing
from labkit.errors import UsageError


@click.command()
@click.argument("name", shell_complete=completing.labs)
@click.argument("pod", required=False, shell_complete=completing.pods)
def command(name: str, pod: str | None) -> None:
    """Print what programs in pods have written so far, or those of one pod.

    POD is a pod, or pod/container. Under the data plane kube-proxy, node/kube-proxy is there, too.
    Built-in responders write nothing.

    \b
    labkit logs nodeport-cluster
    labkit logs nodeport-cluster web-1
    """  # noqa: D301
    from labkit.holder.client import ask_for, describe
    from labkit.holder.protocol import Logs, Printed
    from labkit.holder.state import open_folder
    from labkit.manifest.problems import nearest

    answer = ask_for(name, Logs(), Printed)
    with open_folder() as folder:
        pods = describe(folder, name).pods
    found = {
        where: text
        for where, text in answer.logs.items()
        if pod in {None, where, where.rpartition("/")[0]}
    }
    if pod and not found and pod not in pods:
        raise UsageError(f"no pod {pod} is in lab {name}; {nearest(pod, [*pods, *answer.logs])}")
    if not found:
        click.echo("labkit: nothing is logged: built-in responders write nothing", err=True)
    for where, text in found.items():
        if len(found) > 1:
            click.echo(f"--- {where}")
        click.echo(text, nl=not text.endswith("\n"))
