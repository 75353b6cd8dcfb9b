"""How a command ends: every error in one line on stderr, and the exit status that goes with it.

0 all as expected; 1 a check differs or the lab failed; 2 bad input or usage; 3 this machine lacks
something; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

from labkit.cli.github import tell_problems
from labkit.errors import LabkitError, ManifestError

FAILED: Final = 1
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
SHOW_CURSOR: Final = b"\r\x1b[K\x1b[?25h"
"""The progress display hides the cursor, and has written a line (console_codes(4))."""


def run_to_status(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Run ``command`` and return its exit status; nothing that labkit raises gets past this."""
    try:
        result = command.main(args=arguments, prog_name="labkit", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        _tell(error)
        return error.exit_code
    except LabkitError as error:
        return complain(error)
    except BrokenPipeError:
        # The reader of a pipe has gone (labkit … | head): not an error of ours.
        _let_go_of_stdout()
        return BROKEN_PIPE
    except OSError as error:
        # What it was about is in its text; a full disk under stdout is the likely one.
        _let_go_of_stdout()
        click.echo(f"labkit: {error.filename or 'the output'}: {error.strerror or error}", err=True)
        return FAILED
    return result if isinstance(result, int) else 0


def _tell(error: click.ClickException) -> None:
    """Print what click has found wrong; a whole help text, for who gave no word, as it is."""
    if not isinstance(error, click.UsageError) or "\n" in error.message:
        error.show()
        return
    from labkit.cli.usage import sentence

    click.echo(f"labkit: {sentence(error)}", err=True)


def _let_go_of_stdout() -> None:
    """Give the final flush of the interpreter somewhere to write to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: LabkitError) -> int:
    """Print an error to stderr and return its exit status.

    Problems of a scenario file start with their place, as editors and CI systems look for it.
    """
    text = str(error) if isinstance(error, ManifestError) else f"labkit: {error}"
    click.echo(text, err=True)
    if isinstance(error, ManifestError):
        tell_problems(error)
    return error.exit_status


def end_at_once_on_interrupt() -> None:
    """Let Ctrl-C end the process on the spot, with status 130.

    There is nothing to clean up: the kernel frees the namespaces, and programs die with us. Waiting
    for threads and open probes would only make the user wait.
    """

    def end(_signal: int, _frame: object) -> None:
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), SHOW_CURSOR)
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, end)


def raise_on_interrupt() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, for work that has something to show by then."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
