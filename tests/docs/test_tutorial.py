"""docs/tutorial.md, played on a real terminal: its commands typed, its outputs compared."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Final

import pytest

from tests.lab.held import LABKIT, Labs, labs_in
from tests.lab.terminal import Terminal, terminal

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPTS: Final = ("$", "nodeport-cluster>")
"""The shell's and the lab's, as the screen shows them without a command."""
TYPED = re.compile(r"(\$|nodeport-cluster>) (.+)")
FILE = re.compile(r"# (\S+\.yaml)\n")
SHELL = ["env", "PS1=$ ", "HISTFILE=", "bash", "--norc", "--noprofile"]
"""One that asks nobody's files how to greet, and leaves no history."""
COLUMNS: Final = 200
"""Wider than the longest rule that is shown, so that each line is a row."""
COMMAND_S: Final = 60.0
"""The slowest needs 3 s on two idle cores; other tests run at the same time."""

LEFT_OUT: Final = "…"
SERVED: Final = ("192.168.0.1:30080", "192.168.0.2:30080", "10.244.1.2:80")
"""Where the tutorial's calls go to. Every other port is one that a kernel has chosen."""
CHANGING: Final = (
    # (what is different each time, what stands in its place)
    (re.compile(r"\d+\.\d+\.\d+\.\d+:\d+"), "port"),
    (re.compile(r" \(sent \d+ times\)|; sent \d+ times"), ""),  # as often as the time allowed
    (re.compile(r"\bLinux \S+(?=, rules)"), "Linux RELEASE"),
    (re.compile(r"={5,} (\d+ passed) in \d+\.\d+s ={5,}"), r"\1"),  # pytest's, as wide as it can
    (re.compile(r"(?<=\S) {2,}"), " "),  # columns are as wide as the longest port in them
)
WORDS_PER_MINUTE: Final = 200
"""Read by somebody who thinks about them: silent reading is 238 (Brysbaert 2019)."""
ROW_S: Final = 1.0
"""For each row of an output: the prose says what to look for."""
TYPED_S: Final = 8.0
"""For each command, copied or with Tab."""
MACHINE_S: Final = 30.0
"""For all commands to run; measured: 18 s on two cores with little else to do."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line that the page has typed, and what it shows of the answer."""

    prompt: str
    text: str
    shown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that the page has saved."""

    name: str
    text: str


def steps_of(page: str) -> Iterator[Command | Saved]:
    """What the page has done, in order.

    A console block is commands behind their prompts, each with its output; a yaml block that begins
    with a file's name in a comment is that file.
    """
    for kind, text in BLOCK.findall(page):
        if kind == "yaml":
            name = FILE.match(text)
            assert name, f"a yaml block of {PAGE.name} begins with # NAME.yaml:\n{text}"
            yield Saved(name[1], text)
        else:
            yield from commands_of(text)


def commands_of(block: str) -> Iterator[Command]:
    rows = block.splitlines()
    typed = [at for at, row in enumerate(rows) if TYPED.fullmatch(row)]
    assert typed[:1] == [0], f"a console block of {PAGE.name} begins with a command:\n{block}"
    for at, end in zip(typed, [*typed[1:], len(rows)], strict=True):
        match = TYPED.fullmatch(rows[at])
        assert match
        yield Command(match[1], match[2], rows[at + 1 : end])


STEPS: Final = tuple(steps_of(PAGE.read_text()))


def comparable(row: str) -> str:
    """A row with what is different each time replaced by its name."""
    for pattern, instead in CHANGING:
        row = pattern.sub(_port if instead == "port" else instead, row)
    return row.rstrip()


def _port(match: re.Match[str]) -> str:
    whole = match[0]
    return whole if whole in SERVED else f"{whole.partition(':')[0]}:PORT"


def agrees(shown: Sequence[str], seen: Sequence[str]) -> bool:
    """Whether what was seen is what the page shows, but for what it says that it leaves out.

    ``…`` alone in a row stands for any number of rows, elsewhere for any part of its row. Empty
    rows do not count.
    """
    pattern = "".join(
        r"(?:.*\n)*"
        if row.strip() == LEFT_OUT
        else ".*".join(map(re.escape, comparable(row).split(LEFT_OUT))) + r"\n"
        for row in shown
        if row.strip()
    )
    text = "".join(f"{comparable(row)}\n" for row in seen if row.strip())
    return re.fullmatch(pattern, text) is not None


def wait_for_row(screen: Terminal, wanted: Sequence[str]) -> list[str]:
    """Wait until the last row of the screen is one of these; all rows."""
    for _ in screen.looks(what=" or ".join(wanted), within_s=COMMAND_S):
        if (rows := screen.rows()) and rows[-1] in wanted:
            return rows
    raise AssertionError


def answer_to(command: Command, screen: Terminal) -> list[str]:
    """Type a command and return the rows between it and the next prompt."""
    wait_for_row(screen, [command.prompt])
    screen.write(command.text)
    before = wait_for_row(screen, [f"{command.prompt} {command.text}"])
    screen.keys("Enter")
    return wait_for_row(screen, PROMPTS)[len(before) : -1]


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        yield mine


@pytest.mark.timeout(180)
def test_the_tutorial_plays_from_end_to_end(labs: Labs, tmp_path: Path) -> None:
    folder = tmp_path / "labkit"
    folder.mkdir()
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    path = f"{Path(LABKIT).parent}:{os.environ['PATH']}"
    environment = {**labs.environment, "PATH": path}

    with terminal(tmp_path, SHELL, cwd=folder, environment=environment, columns=COLUMNS) as screen:
        for step in STEPS:
            if isinstance(step, Saved):
                (folder / step.name).write_text(step.text)
                continue
            seen = answer_to(step, screen)
            assert agrees(step.shown, seen), "\n".join(
                [f"{step.prompt} {step.text}", *ndiff(list(step.shown), seen)]
            )
        screen.line("exit")
        assert screen.status() == 0

    assert labs.left() == []
    labs.assert_nothing_runs()


def test_the_tutorial_fits_ten_minutes() -> None:
    commands = [step for step in STEPS if isinstance(step, Command)]
    words = len(BLOCK.sub("", PAGE.read_text()).split())
    rows = sum(len(command.shown) for command in commands)

    reading_s = words / WORDS_PER_MINUTE * 60 + rows * ROW_S
    minutes = (reading_s + len(commands) * TYPED_S + MACHINE_S) / 60

    assert minutes <= 10, f"{words} words, {len(commands)} commands, {rows} rows: {minutes:.1f} min"


def test_an_output_that_differs_from_the_one_shown_is_told() -> None:
    seen = [
        "client → 10.244.1.2:80",
        "",
        "192.168.0.2:3794   → 10.244.1.2:80",
        "-A X -p tcp -j DROP",
    ]

    assert agrees(
        ["client → 10.244.1.2:80", "192.168.0.2:24510 → 10.244.1.2:80", "-A X … DROP"], seen
    )
    assert agrees(["…", "-A X -p tcp -j DROP"], seen)
    assert agrees(["client → 10.244.1.2:80", "…"], seen)
    assert not agrees(["client → 10.244.1.2:80"], seen)
    assert not agrees(["client → 10.244.1.2:80", "192.168.0.1:3794 → 10.244.1.2:80", "…"], seen)
    assert not agrees(["client → 10.244.1.2:80", "192.168.0.2:3794 → 10.244.1.2:81", "…"], seen)
    assert not agrees(["…", "-A X … ACCEPT"], seen)
    assert not agrees(
        ["…", "192.168.0.2:3794 → 10.244.1.2:80", "client → 10.244.1.2:80", "…"], seen
    )
