"""What the host looks like: everything that a lab must leave as it was."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

LISTINGS = (
    ["ip", "-details", "link"],
    ["ip", "address"],
    ["ip", "route", "show", "table", "all"],
    ["ip", "rule"],
    ["ip", "neigh", "show", "nud", "permanent"],
    ["nft", "list", "ruleset"],
    ["iptables-nft-save"],
    ["ipset", "save"],
)
COUNTERS = ("nf_conntrack_count", "random/", "expect_max")
"""Files below /proc/sys/net that change by themselves or with memory."""
FOLDERS = ("/run", "/var/run", "/var/lock")


def snapshot() -> Mapping[str, str]:
    """Links, addresses, routes, rules, sysctls, mounts and run files of this machine."""
    found = {" ".join(argv): _output(argv) for argv in LISTINGS}
    found["mounts"] = Path("/proc/self/mountinfo").read_text()
    found["sysctls"] = "\n".join(f"{path}={value}" for path, value in _sysctls())
    for folder in FOLDERS:
        found[folder] = "\n".join(sorted(str(path) for path in Path(folder).iterdir()))
    return found


def network_namespaces() -> set[str]:
    """Every network namespace that some process is in or holds a file descriptor of."""
    found: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        for link in (process / "ns/net", *_children(process / "fd")):
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("net:["):
                    found.add(target)
    return found


def processes_with(mark: str) -> set[int]:
    """Processes whose environment holds ``mark``: whatever a marked process has started."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found - {os.getpid()}


def _children(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []


def _sysctls() -> Iterator[tuple[Path, str]]:
    for path in sorted(Path("/proc/sys/net").rglob("*")):
        if path.is_file() and not any(part in str(path) for part in COUNTERS):
            with contextlib.suppress(OSError):
                yield path, path.read_text()


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
