"""What becomes of a failing test's lab before it is taken down: a bundle, the prompt, a copy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from labkit.errors import LabkitError
from labkit.holder.state import open_folder
from labkit.lab.bundle import (
    INDEX,
    SCENARIO,
    WHOLE,
    again,
    bundle_of,
    whole_text,
    write,
)
from labkit.lab.lab import Lab
from labkit.manifest.kinds import LocatedCheck
from labkit.probe.flow import Flow

NOWHERE: Final = "none"
LONGEST: Final = 100
"""Characters of a folder's name."""
CHECKSUM: Final = 8
"""Characters of it."""
LONGEST_NAME: Final = 50
KEEPING_S: Final = 60.0
"""How long a lab may take to be built again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed, while its labs still run."""

    item: pytest.Item
    told: str
    """What pytest says of it."""
    labs: Sequence[Lab]
    check: LocatedCheck | None
    """The Check that it is; None for a test of another kind."""
    flows: Sequence[Flow]
    """What the Check asked."""


def look_into(failure: Failure) -> str:
    """Leave a bundle of each lab, keep it or open its prompt as asked; say what was done."""
    config = failure.item.config
    said: list[str] = []
    items = failure.item.session.items
    own = folder_name(failure.item.nodeid, (each.nodeid for each in items))
    open_labs = [lab for lab in failure.labs if lab.is_running]
    if len(open_labs) < len(failure.labs):
        said.append("a lab that the test has closed itself tells nothing more; leave it open")
    for number, lab in enumerate(open_labs, start=1):
        name = own + (f"-{number}" if number > 1 else "")
        said += _one(failure, lab, name)
    if config.getoption("--labkit-shell-on-failure"):
        for lab in open_labs:
            _open_prompt(config, lab)
    return "\n".join(said)


def _one(failure: Failure, lab: Lab, name: str) -> Iterator[str]:
    """What cannot be done is said: it must not hide the failure itself."""
    config = failure.item.config
    flows = list(failure.flows) or list(dict.fromkeys(reversed(lab.asked)))
    parent = str(config.getoption("--labkit-failures"))
    file: Path | None = None
    if flows and parent != NOWHERE:
        folder = config.invocation_params.dir / parent / name
        try:
            bundle = bundle_of(lab, flows, told=failure.told, check=failure.check)
            yield from (f"traced: {verdict}" for verdict in bundle.verdicts)
            write(bundle, folder)
        except LabkitError as error:
            yield f"no bundle: {error}"
        else:
            shown = _shown(folder)
            yield f"bundle: {shown / INDEX}"
            yield f"again:  {again(lab, shown / SCENARIO, flows, failure.check)}"
            file = folder / WHOLE
    if config.getoption("--labkit-keep"):
        yield _kept(lab, name, file)


def folder_name(nodeid: str, every: Iterable[str]) -> str:
    """Return the name of a test's folder, other than that of any other test of the session.

    Tests whose ids differ in signs alone, as ``[1]`` and ``[-1]`` do, are told apart by a checksum.
    """
    name = slug(nodeid)
    if any(slug(each) == name for each in every if each != nodeid):
        return f"{name}-{sha256(nodeid.encode()).hexdigest()[:CHECKSUM]}"
    return name


def slug(nodeid: str) -> str:
    """Return a test's name as a folder's."""
    return re.sub("[^A-Za-z0-9]+", "-", nodeid.removeprefix("tests/")).strip("-")[-LONGEST:].lower()


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _kept(lab: Lab, name: str, file: Path | None) -> str:
    """Build a lab again as one that stays: this process ends, and its own labs with it."""
    called = _free_name(name[-LONGEST_NAME:].strip("-"))
    with TemporaryDirectory(prefix="labkit-keep-") as folder:
        if file is None:
            file = Path(folder) / WHOLE
            file.write_text(whole_text(lab))
        done = subprocess.run(
            [sys.executable, "-m", "labkit", "up", str(file), "--name", called, *lab.options],
            capture_output=True,
            text=True,
            check=False,
            timeout=KEEPING_S,
        )
    if done.returncode:
        return f"not kept: {done.stderr.strip()}"
    return f"kept:   labkit shell {called}; labkit down {called} ends it"


def _free_name(wanted: str) -> str:
    """A name that no lab has: the one of an earlier failure may still be looked at."""
    with open_folder() as folder:
        taken = set(folder.labs())
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)


def _open_prompt(config: pytest.Config, lab: Lab) -> None:
    """Hand the terminal to the lab's prompt until it is left."""
    from labkit.cli.prompt.session import Session
    from labkit.cli.prompt.terminal import converse
    from labkit.holder.beside import served

    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None:
        manager.suspend(in_=True)
    try:
        with served(lab) as name:
            converse(Session(name, terminal=True))
    finally:
        if manager is not None:
            manager.resume()
