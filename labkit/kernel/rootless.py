"""Running without root: the same process again, as root of a user namespace of its own.

Source: user_namespaces(7), unshare(1).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from labkit.errors import MissingFeature
from labkit.kernel.tools import which

MARK: Final = "LABKIT_ROOTLESS"
"""Set in the environment of the process inside, so that it does not do it again."""
UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--mount")
REFUSALS: Final = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
)
"""Files that say why a user namespace is refused: their value then, and what lifts it."""


def is_root() -> bool:
    """Whether this process may make network namespaces by itself."""
    return os.geteuid() == 0


def is_inside() -> bool:
    """Whether this process is the one inside the user namespace."""
    return MARK in os.environ


def why_no_user_namespace() -> MissingFeature | None:
    """Return why a user namespace cannot be made here, with the remedy; None if it can be."""
    if which(UNSHARE[0]) is None:
        return MissingFeature(
            "user namespaces",
            found="unshare is not on PATH",
            remedy="apt-get install util-linux",
        )
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    found = tried.stderr.strip() or f"unshare exited {tried.returncode}"
    for file, value, remedy in REFUSALS:
        path = Path(file)
        if path.exists() and path.read_text().strip() == value:
            return MissingFeature("user namespaces", found=found, remedy=f"as root: {remedy}")
    return MissingFeature(
        "user namespaces",
        found=found,
        remedy="run as root, or allow them in the container's seccomp",
    )


def reexec_in_user_namespace(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by ``labkit ARGUMENTS`` inside a user namespace.

    Raises:
        MissingFeature: this machine does not let it.
    """
    if (refusal := why_no_user_namespace()) is not None:
        raise refusal
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[MARK] = "1"
    command = [*UNSHARE, "--", sys.executable, "-m", "labkit", *arguments]
    os.execvp(command[0], command)  # noqa: S606 - a fixed program and the user's own arguments
