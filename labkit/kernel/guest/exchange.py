"""What the host and a guest agree on: the files of their exchange, and what the guest is told.

The exchange is a private folder of the host. It is all that a guest can write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, cast

Kind = Literal["uml", "qemu"]
Where = Literal["host", "uml", "qemu"]

IN_GUEST: Final = "LABKIT_GUEST"
"""Names the guest in the environment of what runs there."""
RESULTS: Final = "LABKIT_GUEST_RESULTS"
"""Where a guest puts the files that a command writes, by their path on the host, as JSON."""
TERMINAL: Final = "LABKIT_GUEST_TERMINAL"
"""Set if the reader of the guest's stdout is a terminal."""

INSIDE: Final = "/run/labkit"
"""Where the guest finds the exchange."""
REQUEST: Final = "request.json"
STDOUT: Final = "stdout"
STDERR: Final = "stderr"
ALIVE: Final = "alive"
"""Grows while the guest lives."""
SIGNAL: Final = "signal"
"""Holds the number of the signal that the guest is asked to pass on."""
STATUS: Final = "status"
"""Holds the command's exit status; there once it has ended."""
ALIVE_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a guest is to run."""

    kind: str
    argv: tuple[str, ...]
    """Of ``python -m``."""
    path: tuple[str, ...]
    """Where Python looks for modules."""
    cwd: str
    environment: Mapping[str, str]
    modules: str
    """The folder of the kernel's modules."""
    wanted: tuple[str, ...]
    """Modules to load at once; all else is loaded when it is asked for."""

    def write(self, folder: Path) -> None:
        """Put it into the exchange."""
        (folder / REQUEST).write_text(json.dumps(asdict(self)))


def read_request(folder: str) -> Request:
    """Read what is to be run; used by the guest before anything else is imported."""
    with open(f"{folder}/{REQUEST}", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is dear
        found = json.load(file)
    lists = {name: tuple(found[name]) for name in ("argv", "path", "wanted")}
    return Request(**{**found, **lists})


def kernel_kind() -> Where:
    """The kernel that this process runs on: the host's, or which guest's."""
    return cast("Where", os.environ.get(IN_GUEST, "host"))


def place_of(path: Path) -> Path:
    """Where to write a file that is meant for ``path``: in a guest, the exchange."""
    places = json.loads(os.environ.get(RESULTS, "{}"))
    place = places.get(str(path.absolute()))
    return Path(place) if place else path


def place_inside(number: int) -> str:
    """Where the guest finds the ``number``-th result."""
    return f"{INSIDE}/result{number}"


def reader_is_a_terminal() -> bool:
    """Whether stdout ends at a terminal, here or outside of a guest."""
    return os.isatty(1) or TERMINAL in os.environ
