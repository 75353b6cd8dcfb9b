"""Whatever becomes of the output, a command ends with a sentence and a status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_full_disk_under_the_output_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "labkit", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (
        1,
        "labkit: the output: No space left on device\n",
    )


def test_a_reader_that_goes_away_ends_a_command_in_silence() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "labkit", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        complaints = running.stderr.read()

    assert complaints == b""
    assert running.returncode
