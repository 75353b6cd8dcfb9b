"""Which kernel to run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from labkit.errors import MissingFeature, UsageError
from labkit.kernel.guest import qemu, uml
from labkit.kernel.guest.exchange import Kind, Where, kernel_kind
from labkit.kernel.guest.machine import Machine
from labkit.kernel.rootless import is_inside, is_root, why_no_user_namespace

LACKS: Final[Mapping[Kind, frozenset[str]]] = {
    "uml": frozenset({"nftables", "iptables nft"}),
    "qemu": frozenset(),
}
"""Features that a guest has not got, by their names in `labkit.kernel.features`."""
MACHINES: Final[Mapping[Kind, Callable[[], Machine]]] = {"uml": uml.Uml, "qemu": qemu.Qemu}
"""The better ones first: User-Mode Linux starts in a second."""
REMEDIES: Final[Mapping[Kind, str]] = {"uml": uml.REMEDY, "qemu": qemu.REMEDY}


def machine(kind: Kind) -> Machine:
    """Return a guest by its name.

    Raises:
        MissingFeature: it is not installed.
    """
    return MACHINES[kind]()


def choose(wanted: str, needs: Iterable[str]) -> Where:
    """Return the kernel to run on.

    Args:
        wanted: ``host``, a guest's name, or ``auto`` for the first that has what is needed.
        needs: features, by their names in `labkit.kernel.features`.

    Raises:
        MissingFeature: no kernel that is to be had here has them all.
        UsageError: there is no kernel of that name.
    """
    needed = set(needs)
    if wanted == "host" or kernel_kind() != "host":
        return "host"
    for kind in MACHINES:
        if wanted == kind:
            _check(kind, needed)
            return kind
    if wanted != "auto":
        raise UsageError(f"kernel {wanted!r} is none; there are: auto, host, {', '.join(MACHINES)}")
    missing = _missing(needed)
    if missing is None:
        return "host"
    for kind in installed():
        if not needed & LACKS[kind]:
            return kind
    remedies = [REMEDIES[kind] for kind in MACHINES if not needed & LACKS[kind]]
    remedy = " or, for a guest, ".join([missing.remedy, *remedies])
    raise MissingFeature(missing.feature, found=missing.found, remedy=remedy)


def installed() -> list[Kind]:
    """Return the guests that are to be had here, the better ones first."""
    return [kind for kind in MACHINES if _is_installed(kind)]


def _check(kind: Kind, needed: set[str]) -> None:
    """Refuse what a guest is known to lack before it is started.

    Raises:
        MissingFeature: it lacks something.
    """
    for feature in sorted(needed & LACKS[kind]):
        others = [each for each in MACHINES if feature not in LACKS[each]]
        raise MissingFeature(
            feature,
            found=f"the {kind} guest has none",
            remedy=" or ".join(f"--kernel {each}" for each in ("host", *others)),
        )


def _missing(needed: Iterable[str]) -> MissingFeature | None:
    """What this kernel lacks."""
    if not (is_root() or is_inside()):
        return why_no_user_namespace()
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
