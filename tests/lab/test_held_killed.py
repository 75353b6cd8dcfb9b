"""The process that holds a lab may be killed at any moment: nothing is left of the lab."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab import host
from tests.lab.held import LABKIT, PROGRAMS, Labs, labs_in, until

MOMENTS = 30
LONGEST_S = 1.5
"""Later than this the lab is up and its flow table probed; the spread covers all of it."""
USE = f'{LABKIT} up "$0" && {LABKIT} matrix programs && exec {LABKIT} exec programs web-1 sleep 99'


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        yield mine


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "programs.yaml"
    path.write_text(PROGRAMS)
    return path


def kill_holder(labs: Labs) -> None:
    """Kill it as soon as it is known."""

    def killed() -> bool:
        with suppress(OSError, ValueError):
            os.kill(labs.holder("programs"), signal.SIGKILL)
            return True
        return False

    until(killed, what="there is no holder")


@pytest.mark.timeout(180)
def test_kill_9_of_the_holder_at_30_random_moments_leaves_nothing(
    labs: Labs, scenario: Path
) -> None:
    before = host.snapshot()
    moments = random.Random(26)  # noqa: S311 - moments, not secrets
    for _ in range(MOMENTS):
        user = subprocess.Popen(
            ["sh", "-c", USE, str(scenario)],
            env=labs.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with suppress(subprocess.TimeoutExpired):
            user.wait(timeout=moments.uniform(0.0, LONGEST_S))
        kill_holder(labs)
        said, _ = user.communicate(timeout=15)

        # While it was built, probed or entered, or between two of these.
        assert user.returncode in {1, 2, -signal.SIGHUP}, said
        assert user.returncode != 2 or "no lab programs runs" in said
        assert "Traceback" not in said
        labs.assert_nothing_runs()
        assert labs.ok("ps") == "no lab runs; build one with labkit up FILE\n"
        assert labs.left() == []
    assert host.snapshot() == before


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_up_that_is_ended_at_any_moment_leaves_no_lab(
    labs: Labs, scenario: Path, how: signal.Signals
) -> None:
    moments = random.Random(27)  # noqa: S311
    for _ in range(6):
        process = labs.begin("up", str(scenario))
        until(lambda: "programs.lock" in labs.left(), what="up has not begun")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.0, 0.5))
        process.send_signal(how)
        said, _ = process.communicate(timeout=15)

        assert "Traceback" not in said
        if "programs is up" in said:
            labs.run("down", "programs")
        else:
            assert process.returncode == (130 if how is signal.SIGINT else -how)
        labs.assert_nothing_runs()
        assert labs.ok("ps") == "no lab runs; build one with labkit up FILE\n"


def test_what_a_killed_holder_left_is_no_hindrance(labs: Labs, scenario: Path) -> None:
    labs.ok("up", str(scenario))
    kill_holder(labs)
    labs.assert_nothing_runs()
    assert labs.left() == ["programs.lock", "programs.sock"]

    gone = labs.run("exec", "programs", "client", "true")
    assert gone.stderr == "labkit: no lab programs runs; none runs: labkit up FILE\n"
    assert labs.left() == []
    labs.ok("up", str(scenario))
    kill_holder(labs)
    labs.assert_nothing_runs()
    labs.ok("up", str(scenario))
    labs.ok("exec", "programs", "client", "true")
