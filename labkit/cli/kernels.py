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
from labkit.errors import MissingFeature
from labkit.kernel.guest.exchange import Kind, Where, kernel_kind

T = TypeVar("T")
R = TypeVar("R")

PART: Final = "LABKIT_GUEST_PART"
"""Names the file that a guest is to put its part of the results into, in the environment."""
PLACES: Final = "LABKIT_GUEST_PLACES"
"""The places of the items that this part is about, among all items of the command."""


def spread(
    items: Sequence[T],
    needs_of: Callable[[T], frozenset[str]],
    work: Callable[[Sequence[T]], Sequence[R]],
    *,
    kernel: str,
    outputs: Iterable[Output],
    missing: Callable[[T, MissingFeature], R] | None = None,
) -> list[R]:
    """Return the results of ``work`` on every item, in their order, wherever it is done.

    If all of it is for one guest, that does the whole command, and this process ends with its
    status. If some of it is, that guest does its part of the same command line.

    Args:
        items: what to do.
        needs_of: the features that an item needs.
        work: does items on this kernel and returns a result for each.
        kernel: the option's value.
        outputs: where the report goes.
        missing: the result of an item for which there is no kernel, if others can be done.

    Raises:
        MissingFeature: no kernel here has what the items need, or one of them without ``missing``.
        LabError: a guest died.
    """
    if PART in os.environ:
        _hand_over(work([items[place] for place in _places_of_this_part()]))
    kernels = kernels_for([needs_of(item) for item in items], kernel)
    lacking = [each for each in kernels.values() if isinstance(each, MissingFeature)]
    if lacking and (missing is None or len(lacking) == len(kernels)):
        raise lacking[0]
    where = [kernels[needs_of(item)] for item in items]
    if kernel_kind() == "host" and len(kinds := set(kernels.values())) == 1:
        (only,) = kinds
        if not isinstance(only, MissingFeature):
            leave_to(only, outputs)
    found: dict[int, R] = {}
    for kind in sorted({each for each in where if not isinstance(each, MissingFeature)}):
        places = [place for place, each in enumerate(where) if each == kind]
        mine = [items[place] for place in places]
        found.update(
            zip(places, work(mine) if kind == "host" else _part(kind, places), strict=True)
        )
    for place, each in enumerate(where):
        if isinstance(each, MissingFeature) and missing is not None:
            found[place] = missing(items[place], each)
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
    needs: Iterable[frozenset[str]], kernel: str
) -> Mapping[frozenset[str], Where | MissingFeature]:
    """Return the kernel for each set of features, or what no kernel here has."""
    from labkit.kernel.guest.choose import choose

    found: dict[frozenset[str], Where | MissingFeature] = {}
    for needed in dict.fromkeys(needs):
        try:
            found[needed] = choose(kernel, needed)
        except MissingFeature as missing:
            found[needed] = missing
    return found


def _places_of_this_part() -> Sequence[int]:
    return [int(place) for place in os.environ[PLACES].split(",")]


def _hand_over(results: Sequence[object]) -> None:
    Path(os.environ[PART]).write_bytes(pickle.dumps(list(results)))
    sys.exit(0)


def _part(kind: Kind, places: Iterable[int]) -> Sequence[R]:
    """Have a guest do the part of this command that is about the items at ``places``."""
    from labkit.kernel.guest.choose import machine
    from labkit.kernel.guest.exchange import place_inside
    from labkit.kernel.guest.launch import run_in_guest

    with tempfile.TemporaryDirectory(prefix="labkit-part-") as folder:
        part = Path(folder) / "part"
        environment = {PART: place_inside(0), PLACES: ",".join(map(str, places))}
        argv = ["labkit", *sys.argv[1:]]
        status = run_in_guest(machine(kind), argv, results=[part], environment=environment)
        if status:
            sys.exit(status)
        results: Sequence[R] = pickle.loads(part.read_bytes())  # noqa: S301 - our own guest's
        return results
