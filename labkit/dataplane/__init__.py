"""Data planes: what turns Services into kernel state, one module or package for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.errors import UsageError

if TYPE_CHECKING:
    from labkit.dataplane.base import DataPlane
    from labkit.dataplane.iptables.apply import Backend


def data_plane(name: str, *, backend: Backend | None = None) -> DataPlane[Any]:
    """Return a data plane by the Lab's word for it. What it renders, only it can apply.

    Args:
        name: ``iptables``, ``ipvs``, ``nftables`` or ``none``.
        backend: which iptables-restore to use; None for the one that the kernel has.

    Raises:
        UsageError: this version of labkit does not have it.
    """
    from labkit.dataplane.iptables.apply import IptablesPlane, NoPlane

    if name == "iptables":
        return IptablesPlane(backend=backend)
    if name == "ipvs":
        # Imported here: it brings pyroute2, which takes longer than all else.
        from labkit.dataplane.ipvs.apply import IpvsPlane

        return IpvsPlane(backend=backend)
    if name == "nftables":
        from labkit.dataplane.nftables.apply import NftablesPlane

        return NftablesPlane()
    if name == "none":
        return NoPlane(backend=backend)
    raise UsageError(
        f"data plane {name} is not in this version of labkit; "
        "it has: iptables, ipvs, nftables, none"
    )
