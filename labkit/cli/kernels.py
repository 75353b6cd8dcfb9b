"""Does a command's work on the kernels that have what it needs: this one, or guests."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, TypeVar

from labkit.cli.options import Output
from labkit.errors import MissingFeature
from labkit.kernel.guest.exchange import Kind, Where, kernel_kind
from labkit.report.text import plural

T = TypeVar("T")
R = TypeVar("R")

PART: Final = "LABKIT_GUEST_PART"
"""Names the file that a guest is to put its part of the results into, in the environment."""
PLACES: Final = "LABKIT_GUEST_PLACES"
"""Which of the command's items this part is about, counted from 0."""


def spread(
    items: Sequence[T],
    needs: Sequence[Sequence[str]],
    work: Callable[[Sequence[T]], Sequence[R]],
    *,
    kernel: str,
    outputs: Iterable[Output],
    missing: Callable[[T, MissingFeature], R] | None = None,
    report_here: bool = False,
    showing: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> list[R]:
    """Return the results of ``work`` on every item, in their order, wherever it is done.

    If all of it is for one guest, that does the whole command, and this process ends with its
    status. If some of it is, that guest does its part of the same command line.

    Args:
        items: what to do.
        needs: the features that each item needs of the kernel.
        work: does items on this kernel and returns a result for each.
        kernel: the option's value.
        outputs: where the report goes.
        missing: the result of an item for which there is no kernel, if others can be done.
        report_here: whether a guest does no more than the work, even if all of it is for one: it
            can write no file but those of ``outputs``.
        showing: shows a sentence while a guest does its part.

    Raises:
        MissingFeature: no kernel here has what the items need, or one of them without ``missing``.
        LabError: a guest died.
    """
    if PART in os.environ:
        _hand_over(work([items[place] for place in _places_of_this_part()]))
    where = _kernels_for(needs, kernel)
    lacking = [each for each in where if isinstance(each, MissingFeature)]
    if lacking and (missing is None or len(lacking) == len(items)):
        raise lacking[0]
    kinds = {each for each in where if not isinstance(each, MissingFeature)}
    if kernel_kind() == "host" and not lacking and len(kinds) == 1 and not report_here:
        leave_to(next(iter(kinds)), outputs)
    found: dict[int, R] = {}
    for kind in sorted(kinds):
        places = [place for place, chosen in enumerate(where) if chosen == kind]
        mine = [items[place] for place in places]
        if kind == "host":
            done = work(mine)
        else:
            with showing(f"{plural(len(mine), 'lab')} in a {kind} guest"):
                done = _part(kind, places)
        found.update(zip(places, done, strict=True))
    for place, chosen in enumerate(where):
        if isinstance(chosen, MissingFeature) and missing is not None:
            found[place] = missing(items[place], chosen)
    return [found[place] for place in range(len(items))]


def leave_to(kind: Where, outputs: Iterable[Output]) -> None:
    """Do the whole command in a guest and end with its status; return if it is for this kernel."""
    if kind == "host":
        return
    from labkit.kernel.guest.choose import machine
    from labkit.kernel.guest.launch import run_in_guest

    files = [output.file for output in outputs if output.file]
    sys.exit(run_in_guest(machine(kind), ["labkit", *sys.argv[1:]], results=files))


def _kernels_for(needs: Sequence[Sequence[str]], kernel: str) -> list[Where | MissingFeature]:
    """Return the kernel for each item, or what no kernel here has."""
    from labkit.kernel.guest.choose import choose

    chosen: dict[frozenset[str], Where | MissingFeature] = {}
    for each in dict.fromkeys(map(frozenset, needs)):
        try:
            chosen[each] = choose(kernel, each)
        except MissingFeature as missing:
            chosen[each] = missing
    return [chosen[frozenset(each)] for each in needs]


def _places_of_this_part() -> Sequence[int]:
    return [int(place) for place in os.environ[PLACES].split(",")]


def _hand_over(results: Sequence[object]) -> None:
    Path(os.environ[PART]).write_bytes(pickle.dumps(list(results)))
    sys.exit(0)


def _part(kind: Kind, places: Sequence[int]) -> Sequence[R]:
    """Have a guest do these items of this command."""
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
