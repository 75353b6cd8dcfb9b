"""``labkit`` and ``python -m labkit``: the command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command; an interrupt while it is still being imported ends it as later ones do."""
    try:
        if sys.argv[1:2] == ["exec"]:
            _execute(sys.argv[2:])
        from labkit.cli import main as run

        run()
    except KeyboardInterrupt:
        os._exit(130)


def _execute(words: list[str]) -> None:
    """Do a plain ``labkit exec`` without the command line's library; return if it is not plain."""
    from labkit.errors import LabkitError
    from labkit.holder.enter import asked_for, run_in

    if asked := asked_for(words):
        try:
            run_in(*asked)
        except LabkitError as error:
            from labkit.cli.ending import complain

            sys.exit(complain(error))


if __name__ == "__main__":
    main()
