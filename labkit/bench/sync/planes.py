"""Who installs rules: labkit's data planes, a real kube-proxy, and the tools by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from labkit.dataplane import needs_of

Backend = Literal["nft", "legacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A data plane under one backend, and the tool that is given its text by hand."""

    name: str
    label: str
    dataplane: str
    backend: Backend | None = None
    by_hand: str = ""
    tool: tuple[str, ...] = ()
    """Empty where one tool alone cannot do it."""
    proxy_mode: str = "iptables"

    @property
    def needs(self) -> tuple[str, ...]:
        """What it needs of the kernel."""
        backend = (f"iptables {self.backend}",) if self.backend else ()
        return (*needs_of(self.dataplane, proxy_mode=self.proxy_mode), *backend)


PLANES: Final[Mapping[str, Plane]] = {
    each.name: each
    for each in (
        Plane(
            name="iptables-nft",
            label="iptables, nft backend",
            dataplane="iptables",
            backend="nft",
            by_hand="`iptables-nft-restore` by hand",
            tool=("iptables-nft-restore",),
        ),
        Plane(
            name="iptables-legacy",
            label="iptables, legacy backend",
            dataplane="iptables",
            backend="legacy",
            by_hand="`iptables-legacy-restore` by hand",
            tool=("iptables-legacy-restore",),
        ),
        Plane(
            name="nftables",
            label="nftables",
            dataplane="nftables",
            by_hand="`nft -f` by hand",
            tool=("nft", "-f", "-"),
        ),
        Plane(name="ipvs", label="IPVS", dataplane="ipvs"),
    )
}
"""labkit's own, by their names for ``--only``."""


def real(mode: str) -> Plane:
    """The real kube-proxy in a mode."""
    return Plane(
        name="kube-proxy",
        label=f"the real kube-proxy, {mode} mode",
        dataplane="kube-proxy",
        proxy_mode=mode,
    )


def chosen_planes(
    dataplanes: Sequence[str], backends: Sequence[str], proxy_mode: str, only: Sequence[str]
) -> tuple[Plane, ...]:
    """Return the data planes that take part.

    Args:
        dataplanes: by the Lab's words.
        backends: of iptables.
        proxy_mode: of a real kube-proxy; empty for none.
        only: names of those that take part, and ``by-hand`` for the tools beside them; empty for
            all.
    """
    found = [
        plane
        for plane in PLANES.values()
        if plane.dataplane in dataplanes and (plane.backend is None or plane.backend in backends)
    ]
    found += [real(proxy_mode)] if proxy_mode else []
    taking_part = [plane for plane in found if not only or plane.name in only]
    if only and "by-hand" not in only:
        return tuple(replace(plane, tool=()) for plane in taking_part)
    return tuple(taking_part)
