"""Which kernel to run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from labkit.errors import MissingFeature
from labkit.kernel.guest.exchange import Kind, Where, kernel_kind
from labkit.kernel.guest.machine import Machine
from labkit.kernel.guest.uml import REMEDY, Uml

LACKS: Final[Mapping[Kind, frozenset[str]]] = {"uml": frozenset({"nftables", "iptables nft"})}
"""Features that a guest has not got, by their names in `labkit.kernel.features`."""
MACHINES: Final[Mapping[Kind, Callable[[], Machine]]] = {"uml": Uml}


def machine(kind: Kind) -> Machine:
    """Return a guest by its name.

    Raises:
        MissingFeature: it is not installed.
    """
    if kind not in MACHINES:
        raise MissingFeature(
            f"kernel {kind}",
            found="this version of labkit has no such guest",
            remedy="--kernel uml",
        )
    return MACHINES[kind]()


def choose(wanted: str, needs: Iterable[str]) -> Where:
    """Return the kernel to run on.

    Args:
        wanted: ``host``, a guest's name, or ``auto`` for the first that has what is needed.
        needs: features, by their names in `labkit.kernel.features`.

    Raises:
        MissingFeature: no kernel that is to be had here has them all.
    """
    needed = set(needs)
    if wanted == "host" or kernel_kind() != "host":
        return "host"
    for kind in MACHINES:
        if wanted == kind:
            return kind
    if wanted != "auto":
        raise _unknown(wanted)
    missing = _missing(needed)
    if missing is None:
        return "host"
    for kind in MACHINES:
        if not needed & LACKS[kind] and _is_installed(kind):
            return kind
    remedy = f"{missing.remedy}; for a guest: {REMEDY}"
    raise MissingFeature(missing.feature, found=missing.found, remedy=remedy)


def _missing(needed: Iterable[str]) -> MissingFeature | None:
    """What this kernel lacks."""
    if not needed:
        return None
    from labkit.kernel.features import require
    from labkit.kernel.netns import Edge

    with Edge() as edge:
        try:
            require(edge, sorted(needed))
        except MissingFeature as missing:
            return missing
    return None


def _is_installed(kind: Kind) -> bool:
    try:
        machine(kind)
    except MissingFeature:
        return False
    return True


def _unknown(kind: str) -> MissingFeature:
    return MissingFeature(
        f"kernel {kind}", found="this version of labkit has no such guest", remedy="--kernel uml"
    )
