"""``labkit test``: pytest, in a guest kernel if asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from labkit.cli.options import kernel_option, prepare, rootless_option
from labkit.kernel.guest.choose import choose, machine
from labkit.kernel.guest.exchange import place_inside

FILES: Final = ("--junitxml", "--junit-xml", "--log-file")
"""Options of pytest that name a file to write."""
IN_MEMORY: Final = "/dev/shm/labkit-test"  # noqa: S108 - the guest's own
OWN: Final = ("-o", f"cache_dir={IN_MEMORY}/pytest")
ENVIRONMENT: Final = {"HYPOTHESIS_STORAGE_DIRECTORY": f"{IN_MEMORY}/hypothesis"}
"""What pytest and hypothesis remember from run to run they cannot keep in a guest."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@rootless_option
@kernel_option
def command(pytest_args: tuple[str, ...], rootless: bool, kernel: str) -> None:  # noqa: FBT001
    """Run pytest on this kernel or in a guest; of files, --junitxml and --log-file come back.

    \b
    labkit test --kernel uml tests/ -k ipvs
    labkit test --kernel uml scenarios/ --junitxml=report.xml
    """  # noqa: D301
    prepare(rootless=rootless)
    kind = choose(kernel, ())
    if kind == "host":
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *pytest_args])  # noqa: S606
    from labkit.kernel.guest.launch import run_in_guest

    arguments, files = files_inside(pytest_args)
    argv = ["pytest", *OWN, *arguments]
    sys.exit(run_in_guest(machine(kind), argv, results=files, environment=ENVIRONMENT))


def files_inside(arguments: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return pytest's arguments with files where a guest can write, and the files themselves."""
    inside: list[str] = []
    files: list[Path] = []

    def place(file: str) -> str:
        files.append(Path(file))
        return place_inside(len(files) - 1)

    names_file = False
    for argument in arguments:
        option, equals, file = argument.partition("=")
        if names_file:
            inside.append(place(argument))
        elif option in FILES and equals:
            inside.append(f"{option}={place(file)}")
        else:
            inside.append(argument)
        names_file = argument in FILES and not names_file
    return inside, files
