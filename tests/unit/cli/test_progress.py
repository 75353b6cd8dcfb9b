"""What the line of progress says, and when it can tell how long it will take still."""

from __future__ import annotations

import sys

import pytest

from labkit.cli.progress import can_show, line, remaining_s
from labkit.lab.meter import Meter, Progress
from labkit.probe.engine import Probes
from tests.unit.report.examples import failing, passing, result, table, timeout


class Lab:
    probes = Probes(200, 50)


@pytest.mark.parametrize(
    ("now", "elapsed_s", "said"),
    [
        (Progress(labs=45), 0.2, "0 of 45 scenarios, 0 s"),
        (
            Progress(labs=45, done=9, checks=12, failed=1, probes=Probes(9, 3)),
            10.0,
            "9 of 45 scenarios, 12 checks, 1 failed, 10 s, about 40 s left",
        ),
        (
            Progress(labs=1, probes=Probes(200_000, 50_000)),
            30.0,
            "0 of 1 scenario, 50,000 of 200,000 probes, 30 s, about 1 min 30 s left",
        ),
        (Progress(labs=2, done=2, flows=31), 61.0, "2 of 2 scenarios, 31 flows, 1 min 1 s"),
    ],
)
def test_the_line_says_how_far_it_is(now: Progress, elapsed_s: float, said: str) -> None:
    assert line(now, elapsed_s) == said


@pytest.mark.parametrize(
    ("now", "elapsed_s"),
    [
        (Progress(labs=10, done=9), 1.0),
        (Progress(labs=100, done=1), 60.0),
        (Progress(labs=10, done=10), 60.0),
        (Progress(labs=1), 60.0),
    ],
    ids=["it has just begun", "too little is done", "all is done", "nothing was probed"],
)
def test_nothing_is_guessed_too_early(now: Progress, elapsed_s: float) -> None:
    assert remaining_s(now, elapsed_s) is None


def test_a_meter_counts_labs_checks_flows_and_the_probes_of_those_that_run() -> None:
    meter = Meter(4)
    with meter.watching(Lab()), meter.watching(Lab()):
        meter.found(result(passing(), failing()))
        assert meter.now() == Progress(labs=4, done=1, checks=2, failed=1, probes=Probes(400, 100))
    meter.found(result(error="no"))
    meter.probed(table(timeout()))

    assert meter.now() == Progress(labs=4, done=3, checks=2, flows=1, failed=2)


@pytest.mark.parametrize(
    ("terminal", "quiet", "kind", "shown"),
    [
        (True, False, "xterm", True),
        (False, False, "xterm", False),
        (True, True, "xterm", False),
        (True, False, "dumb", False),
        (True, False, None, False),
    ],
)
def test_only_a_terminal_that_can_take_a_line_back_gets_one(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, quiet: bool, kind: str | None, shown: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    if kind is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", kind)

    assert can_show(quiet=quiet) is shown
