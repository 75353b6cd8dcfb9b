"""``labkit check``: the Checks of a lab that stays."""

from __future__ import annotations

import sys

import click

from labkit.cli import completing
from labkit.cli.held import reports_for, texts_of, write_reports
from labkit.cli.options import Output, attempts_option, output_option, quiet_option
from labkit.cli.progress import progress


@click.command()
@click.argument("name", shell_complete=completing.labs)
@quiet_option
@attempts_option
@output_option
def command(
    name: str,
    outputs: tuple[Output, ...],
    attempts: int | None,
    quiet: bool,  # noqa: FBT001 - click's
) -> int:
    """Run the Checks of a lab as it is now, and print the report of labkit run.

    Without Checks, every flow is compared with the specification. Exit status 1 if one differs.

    \b
    labkit check nodeport-cluster
    labkit check nodeport-cluster -o json
    """  # noqa: D301
    from labkit.holder.protocol import Check

    with progress(name, quiet=quiet):
        answer = texts_of(name, Check(attempts=attempts, reports=reports_for(outputs)))
    write_reports(outputs, answer.texts)
    sys.stdout.flush()
    return answer.status
