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
    """Every network namespace that a process is in or holds a file descriptor of.

    What other workers of the same test run hold is theirs.
    """
    others = _other_workers()
    return {
        target
        for process in _processes()
        if not (_ancestors(process) & others or _is_of_another_worker(process))
        for target in _namespaces_of(process)
    }


def namespaces_with(mark: str) -> set[str]:
    """The network namespaces of the processes that carry ``mark``."""
    return {target for process in processes_with(mark) for target in _namespaces_of(process)}


def processes_with(mark: str) -> set[int]:
    """Processes whose environment holds ``mark``: whatever a marked process has started."""
    found: set[int] = set()
    for process in _processes():
        with contextlib.suppress(OSError):
            if mark.encode() in Path(f"/proc/{process}/environ").read_bytes():
                found.add(process)
    return found - {os.getpid()}


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _namespaces_of(process: int) -> set[str]:
    found: set[str] = set()
    base = Path(f"/proc/{process}")
    for link in (base / "ns/net", *_children(base / "fd")):
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("net:["):
                found.add(target)
    return found


def _other_workers() -> set[int]:
    """The other workers of pytest-xdist: children of the same parent."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return set()
    mine, parent = os.getpid(), os.getppid()
    return {pid for pid in _processes() if pid != mine and _parent(pid) == parent}


def _is_of_another_worker(process: int) -> bool:
    """Whether another worker's environment is in it: the process that holds a lab has no parent."""
    mine = os.environ.get("PYTEST_XDIST_WORKER", "")
    found = _environment(process).get(b"PYTEST_XDIST_WORKER", mine.encode())
    return found != mine.encode()


def _environment(process: int) -> Mapping[bytes, bytes]:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        return {name: value for name, _, value in (word.partition(b"=") for word in words)}
    return {}


def _ancestors(process: int) -> set[int]:
    found: set[int] = set()
    while process > 1 and process not in found:
        found.add(process)
        process = _parent(process)
    return found


def _parent(process: int) -> int:
    with contextlib.suppress(OSError):
        # proc_pid_stat(5): the name is in parentheses and may hold anything.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


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
