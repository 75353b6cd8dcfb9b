"""Data planes: what turns Services into kernel state, one module or package for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.errors import UsageError

if TYPE_CHECKING:
    from labkit.dataplane.base import DataPlane
    from labkit.dataplane.iptables.apply import Backend
    from labkit.dataplane.kube_proxy.hosting import Hosting


def data_plane(
    name: str, *, backend: Backend | None = None, hosting: Hosting | None = None
) -> DataPlane[Any]:
    """Return a data plane by the Lab's word for it. What it renders, only it can apply.

    Args:
        name: ``iptables``, ``ipvs``, ``nftables``, ``kube-proxy`` or ``none``.
        backend: which iptables-restore to use; None for the one that the kernel has.
        hosting: what ``kube-proxy`` is to run, and on which loop; it cannot do without.

    Raises:
        UsageError: there is no such data plane, or none without a running lab.
    """
    from labkit.dataplane.iptables.apply import IptablesPlane, NoPlane

    if name == "iptables":
        return IptablesPlane(backend=backend)
    if name == "ipvs":
        from labkit.dataplane.ipvs.apply import IpvsPlane

        return IpvsPlane(backend=backend)
    if name == "nftables":
        from labkit.dataplane.nftables.apply import NftablesPlane

        return NftablesPlane()
    if name == "none":
        return NoPlane(backend=backend)
    if name == "kube-proxy" and hosting is not None:
        # Imported here: it brings asyncio and the API server.
        from labkit.dataplane.kube_proxy.plane import KubeProxyPlane

        return KubeProxyPlane(hosting, backend=backend)
    if name == "kube-proxy":
        raise UsageError("a real kube-proxy makes its rules itself, so only in a running lab")
    raise UsageError(
        f"data plane {name} is none; there are: iptables, ipvs, nftables, kube-proxy, none"
    )


def needs_of(name: str, *, proxy_mode: str) -> tuple[str, ...]:
    """Return the features that a data plane needs of the kernel.

    Args:
        name: as for `data_plane`.
        proxy_mode: the mode that a real kube-proxy is to run in; it needs what labkit's own data
            plane of that name needs.
    """
    return data_plane(proxy_mode if name == "kube-proxy" else name).needs
