"""A whole run: blocks in, findings out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from labkit.fuzz.block import Block, BlockResult
from labkit.fuzz.plan import blocks_of, together
from labkit.fuzz.spread import default_jobs, in_processes
from labkit.kernel.guest.exchange import kernel_kind
from labkit.probe.findings import Findings
from labkit.probe.table import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzRequest:
    """What to try, and for how long."""

    block: Block
    """What all blocks are like; its seed is the run's."""
    clusters: int | None = None
    """How many; None for as many as the time allows."""
    within_s: float | None = None
    jobs: int | None = None
    """Blocks at a time; None for what suits this machine."""
    keep_going: bool = False
    """Whether to look for more after the first failure."""
    dask: str = ""
    """The address of a Dask scheduler, to do blocks there instead of here."""


def fuzz(request: FuzzRequest, *, tell: Callable[[int], None] = lambda _: None) -> Findings:
    """Try random clusters and return what they have shown.

    Args:
        request: what to try.
        tell: is told how many clusters were tried since the last time.

    Raises:
        LabkitError: a lab cannot be built, or rules were refused.
    """
    began = time.monotonic()
    results: list[BlockResult] = []
    with closing(_results(request, began)) as found:
        for result in found:
            results.append(result)
            tell(result.clusters)
            if result.failure and not request.keep_going:
                break
    return together(
        request.block,
        results,
        here=Kernel(kind=kernel_kind(), release=platform.release()),
        elapsed_s=time.monotonic() - began,
    )


def _results(request: FuzzRequest, began: float) -> Generator[BlockResult, None, None]:
    blocks = _in_time(request, began)
    if request.dask:
        from labkit.fuzz.on_dask import on_dask

        yield from on_dask(blocks, request.dask)
    else:
        yield from in_processes(blocks, request.jobs or default_jobs())


def _in_time(request: FuzzRequest, began: float) -> Iterator[Block]:
    """The blocks that are begun before the time is over, each with what is left of it."""
    for block in blocks_of(request.block, request.clusters):
        if request.within_s is None:
            yield block
            continue
        left_s = began + request.within_s - time.monotonic()
        if left_s <= 0:
            return
        yield replace(block, within_s=left_s)
