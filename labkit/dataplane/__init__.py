"""Data planes: what turns Services into kernel state, one module or package for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.errors import UsageError

if TYPE_CHECKING:
    from labkit.dataplane.base import DataPlane


def data_plane(name: str) -> DataPlane:
    """Return a data plane by the Lab's word for it.

    Raises:
        UsageError: this version of labkit does not have it.
    """
    from labkit.dataplane.iptables.apply import IptablesPlane, NoPlane

    if name == "iptables":
        return IptablesPlane()
    if name == "none":
        return NoPlane()
    raise UsageError(f"data plane {name} is not in this version of labkit; it has: iptables, none")
