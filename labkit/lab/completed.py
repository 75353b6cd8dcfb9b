"""A program that runs in a host's namespaces to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from labkit.errors import CommandError
from labkit.kernel.netns import Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that ran to its end."""

    returncode: int
    stdout: str
    stderr: str

    def succeeded(self, argv: Sequence[str], *, where: str, stdin: str) -> Self:
        """Return this if the program exited zero.

        Raises:
            CommandError: it did not; carries what it was given.
        """
        if self.returncode:
            raise CommandError(
                argv, where=where, returncode=self.returncode, stderr=self.stderr, stdin=stdin
            )
        return self


def completed(
    namespace: Namespace, argv: Sequence[str], *, stdin: str, env: Mapping[str, str] | None
) -> Completed:
    """Run a program and return what it printed; it is ended if this is interrupted."""
    process = namespace.popen(
        argv,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        own_pids=True,
    )
    try:
        out, err = process.communicate(stdin.encode())
    finally:
        process.kill()
        process.wait()
    return Completed(
        returncode=process.returncode,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
    )
