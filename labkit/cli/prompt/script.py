"""The prompt without a terminal: the lines of standard input, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import click

from labkit.cli.prompt.session import INTERRUPTED, LEAVE, Session
from labkit.report.text import clean


def follow(session: Session, lines: Iterable[str], *, keep_going: bool) -> int:
    """Do lines until one fails, and return its exit status; 0 if none does.

    Args:
        session: does them.
        lines: with comments and empty lines.
        keep_going: do the others, too; the status is then that of the first that failed.
    """
    failed = 0
    for number, line in enumerate(lines, start=1):
        if line.split()[:1] == [LEAVE]:
            break
        status = session.do(line)
        if not status:
            continue
        failed = failed or status
        more = "" if keep_going else "; --keep-going does the others, too"
        click.echo(
            f"labkit: line {number} ended with {status}: {clean(line.strip())}{more}", err=True
        )
        if not keep_going or status == INTERRUPTED:
            break
    return failed
