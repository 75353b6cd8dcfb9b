"""What the machine is that something is measured on, and how much of its memory is taken.

Source: proc(5): cpuinfo, meminfo, loadavg, smaps_rollup, PID/fd.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from labkit.bench.results import Machine
from labkit.kernel.guest.exchange import kernel_kind
from labkit.kernel.versions import versions
from labkit.probe.table import Kernel

KIB: Final = 1024


def this_machine() -> Machine:
    """Return this machine, with its load right now."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        memory_bytes=memory()["MemTotal"],
        kernel=Kernel(kind=kernel_kind(), release=platform.release()),
        versions=dict(versions()),
        load=round(os.getloadavg()[0], 2),
    )


def memory() -> Mapping[str, int]:
    """Return /proc/meminfo in bytes."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    pairs = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(size) * KIB for name, size in pairs}


def kernel_memory() -> int:
    """Return the bytes that the kernel keeps for itself: slabs and what each processor has.

    It is the whole machine's: what others do at the time is in a difference of it, too.
    """
    found = memory()
    return found["Slab"] + found.get("Percpu", 0) + found.get("VmallocUsed", 0)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
