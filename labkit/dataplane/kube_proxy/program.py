"""A kube-proxy program: which version it is, and what it knows, by its own words.

Source: kubernetes v1.20 and v1.36 cmd/kube-proxy/app/server.go, AddFlags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature, UsageError
from labkit.kernel.process import ask
from labkit.kernel.tools import can_execute, which

NAME: Final = "kube-proxy"
REMEDY: Final = "name one: --kube-proxy PATH"
ANSWERS_WITHIN_S: Final = 10.0
NFTABLES: Final = (1, 29)
"""The first release that has this mode (KEP-3866); its help does not tell of it yet."""
_VERSION: Final = re.compile(r"^Kubernetes (v([0-9]+)\.([0-9]+)\S*)", re.MULTILINE)
_FLAG: Final = re.compile(r"^ +(?:-\w, )?--([a-z0-9-]+)", re.MULTILINE)
_MODES: Final = re.compile(r"^ +--proxy-mode .*?(?=^ +(?:-\w, )?--|\Z)", re.MULTILINE | re.DOTALL)
_MODE: Final = re.compile(r"'([a-z]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A kube-proxy that can be run."""

    path: Path
    version: str
    """As it says it: ``v1.20.2``."""
    release: tuple[int, int]
    """Major and minor number of the version."""
    flags: frozenset[str]
    """Options that it knows, without dashes."""
    modes: frozenset[str]
    """Modes that it knows; those of other systems than Linux are among them."""


def find(path: Path | None) -> Program:
    """Return the kube-proxy of this path, or the one on PATH.

    Raises:
        MissingFeature: there is no such file, or none on PATH.
        UsageError: the file is no kube-proxy that can be run.
    """
    if path is None:
        found = which(NAME)
        if found is None:
            raise MissingFeature(NAME, found="it is not on PATH", remedy=REMEDY)
        path = Path(found)
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise MissingFeature(NAME, found=f"{path}: {error.strerror}", remedy=REMEDY) from error
    if not path.is_file() or not can_execute(path):
        raise UsageError(f"{path} is no program that can be run; {REMEDY}")
    # By its full path: it is started in other directories too.
    return _asked(path.absolute(), changed)


@lru_cache(maxsize=64)
def _asked(path: Path, _changed: int) -> Program:
    """Ask a program what it is, once for every file."""
    return read(path, _ask(path, "--version"), _ask(path, "--help"))


def _ask(path: Path, question: str) -> str:
    said = ask([str(path), question], within_s=ANSWERS_WITHIN_S)
    if said is None:
        raise UsageError(
            f"{path} {question} does not end within {ANSWERS_WITHIN_S:.0f} s; {REMEDY}"
        )
    return said


def read(path: Path, version: str, options: str) -> Program:
    """Return what a program is by what it printed for ``--version`` and for ``--help``.

    Raises:
        UsageError: it is no kube-proxy.
    """
    found = _VERSION.search(version)
    flags = frozenset(_FLAG.findall(options))
    if found is None or "proxy-mode" not in flags:
        said = next(iter((version + options).split("\n")), "").strip() or "nothing"
        raise UsageError(f"{path} is no kube-proxy: asked for its version, it prints {said!r}")
    release = (int(found[2]), int(found[3]))
    modes = _MODES.search(options)
    known = set(_MODE.findall(modes[0] if modes else ""))
    if release >= NFTABLES:
        known.add("nftables")
    return Program(
        path=path, version=found[1], release=release, flags=flags, modes=frozenset(known)
    )
