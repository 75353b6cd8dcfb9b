"""What a kind of guest must say of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from labkit.kernel.guest.exchange import Kind


class Machine(Protocol):
    """A kind of guest."""

    @property
    def kind(self) -> Kind:
        """``uml`` or ``qemu``."""
        ...

    @property
    def modules(self) -> str:
        """The folder of its kernel's modules."""
        ...

    @property
    def wanted(self) -> tuple[str, ...]:
        """Modules to load at once."""
        ...

    @property
    def memory_mib(self) -> int:
        """Its memory."""
        ...

    @property
    def patience(self) -> float:
        """How many times longer than usual to wait for a sign of life."""
        ...

    def exchange(self, folder: Path) -> tuple[str, str, str]:
        """Source, kind and options of the mount that is the exchange."""
        ...

    def command(self, folder: Path, init: Path) -> list[str]:
        """The command that boots it."""
        ...

    def interrupt(self, folder: Path) -> None:
        """Make its first process look for the signal that the exchange holds."""
        ...
