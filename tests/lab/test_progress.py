"""Progress on a terminal: one line that fits, and nothing of it is left."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parent.parent.parent
COLUMNS: Final = 30
STEERING = re.compile(rb"\x1b\[[0-9?]*[a-zA-Z]|\r|\n")


def run_on_a_terminal(*arguments: str, kind: str = "xterm") -> tuple[str, bytes]:
    """Run labkit with a narrow terminal as stderr; return its stdout, and what the terminal got."""
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, COLUMNS))
        done = subprocess.Popen(
            [sys.executable, "-m", "labkit", *arguments],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": kind, "COLUMNS": str(COLUMNS)},
            cwd=ROOT,
        )
        os.close(theirs)
        got = b""
        # Linux says EIO where the last writer of a terminal has gone (pty(7)).
        while True:
            try:
                got += os.read(ours, 65536)
            except OSError:
                break
        out, _ = done.communicate()
        assert done.returncode == 0
        return out.decode(), got
    finally:
        os.close(ours)


@pytest.mark.timeout(60)
def test_a_terminal_gets_one_line_at_a_time_and_is_left_as_it_was() -> None:
    out, got = run_on_a_terminal(
        "run", "scenarios/nodeport-local.yaml", "scenarios/nodeport-without-snat.yaml", "-o", "json"
    )

    assert json.loads(out)["passed"] is True
    texts = [each.decode() for each in STEERING.split(got) if each]
    assert any("of 2 scenarios" in text for text in texts)
    assert max(map(len, texts)) <= COLUMNS
    assert got.endswith(b"\x1b[1A\x1b[2K"), "the line is taken back"
    assert b"\x1b[?25h" in got, "the cursor is there again"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("more", "kind"), [(("-q",), "xterm"), ((), "dumb")], ids=["quiet", "dumb terminal"]
)
def test_who_wants_none_and_who_cannot_show_it_gets_none(more: tuple[str, ...], kind: str) -> None:
    _out, got = run_on_a_terminal("run", "scenarios/nodeport-local.yaml", *more, kind=kind)

    assert got == b""
