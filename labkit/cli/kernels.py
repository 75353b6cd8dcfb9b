"""Does a command's work on the kernels that have what it needs: this one, or guests."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from labkit.cli.options import Output
from labkit.kernel.guest.exchange import Kind, Where, kernel_kind

T = TypeVar("T")
R = TypeVar("R")

PART: Final = "LABKIT_GUEST_PART"
"""Names the file that a guest is to put its part of the results into, in the environment."""
PLANES: Final = "LABKIT_GUEST_PLANES"
"""The data planes that this part is about."""


def spread(
    items: Sequence[T],
    plane_of: Callable[[T], str],
    work: Callable[[Sequence[T]], Sequence[R]],
    *,
    kernel: str,
    outputs: Iterable[Output],
    also: Iterable[str] = (),
) -> list[R]:
    """Return the results of ``work`` on every item, in their order, wherever it is done.

    If all of it is for one guest, that does the whole command, and this process ends with its
    status. If some of it is, that guest does its part of the same command line.

    Args:
        items: what to do.
        plane_of: the data plane that an item needs.
        work: does items on this kernel and returns a result for each.
        kernel: the option's value.
        outputs: where the report goes.
        also: features that every item needs.

    Raises:
        MissingFeature: no kernel here has what a data plane needs.
        LabError: a guest died.
    """
    if PART in os.environ:
        _hand_over(work([item for item in items if plane_of(item) in _planes_of_this_part()]))
    where = kernels_for({plane_of(item) for item in items}, kernel, also)
    if kernel_kind() == "host" and len(set(where.values())) == 1:
        (only,) = set(where.values())
        leave_to(only, outputs)
    found: dict[int, R] = {}
    for kind in sorted(set(where.values())):
        places = [place for place, item in enumerate(items) if where[plane_of(item)] == kind]
        mine = [items[place] for place in places]
        planes = {plane_of(item) for item in mine}
        done = work(mine) if kind == "host" else _part(kind, planes)
        found.update(zip(places, done, strict=True))
    return [found[place] for place in range(len(items))]


def leave_to(kind: Where, outputs: Iterable[Output]) -> None:
    """Do the whole command in a guest and end with its status; return if it is for this kernel."""
    if kind == "host":
        return
    from labkit.kernel.guest.choose import machine
    from labkit.kernel.guest.launch import run_in_guest

    files = [output.file for output in outputs if output.file]
    sys.exit(run_in_guest(machine(kind), ["labkit", *sys.argv[1:]], results=files))


def kernels_for(
    planes: Iterable[str], kernel: str, also: Iterable[str] = ()
) -> Mapping[str, Where]:
    """Return the kernel for each data plane.

    Raises:
        MissingFeature: there is none.
    """
    from labkit.dataplane import data_plane
    from labkit.kernel.guest.choose import choose

    return {plane: choose(kernel, (*data_plane(plane).needs, *also)) for plane in planes}


def _planes_of_this_part() -> Sequence[str]:
    return os.environ[PLANES].split(",")


def _hand_over(results: Sequence[object]) -> None:
    Path(os.environ[PART]).write_bytes(pickle.dumps(list(results)))
    sys.exit(0)


def _part(kind: Kind, planes: Iterable[str]) -> Sequence[R]:
    """Have a guest do the part of this command that is about ``planes``."""
    from labkit.kernel.guest.choose import machine
    from labkit.kernel.guest.exchange import place_inside
    from labkit.kernel.guest.launch import run_in_guest

    with tempfile.TemporaryDirectory(prefix="labkit-part-") as folder:
        part = Path(folder) / "part"
        environment = {PART: place_inside(0), PLANES: ",".join(sorted(planes))}
        argv = ["labkit", *sys.argv[1:]]
        status = run_in_guest(machine(kind), argv, results=[part], environment=environment)
        if status:
            sys.exit(status)
        results: Sequence[R] = pickle.loads(part.read_bytes())  # noqa: S301 - our own guest's
        return results
