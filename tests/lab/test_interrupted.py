"""Ctrl-C in a flow table: what is done by then is told."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit.cli import cli
from labkit.cli.ending import INTERRUPTED, run_to_status
from labkit.cluster.model import Cluster
from labkit.lab import lab as lab_module
from labkit.lab.tables import Interrupted
from labkit.probe.expected import judged_row
from labkit.probe.table import FlowRow

SCENARIO = Path(__file__).parent.parent.parent / "scenarios" / "nodeport-local.yaml"
DONE = 5


@pytest.fixture
def ctrl_c_after_some_flows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A KeyboardInterrupt, as Python's own handler raises it, after `DONE` flows."""
    rows: list[FlowRow] = []

    def judging(cluster: Cluster, row: FlowRow, *, enough: bool) -> FlowRow:
        if len(rows) == DONE:
            raise KeyboardInterrupt
        rows.append(row)
        return judged_row(cluster, row, enough=enough)

    monkeypatch.setattr(lab_module, "judged_row", judging)
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_after_some_flows")
def test_the_table_of_what_was_done_comes_with_the_interrupt() -> None:
    with labkit.Lab(SCENARIO) as lab:
        with pytest.raises(Interrupted) as cut:
            lab.matrix()

        assert len(cut.value.table.flows) == DONE
        assert cut.value.planned > DONE
        assert lab.probe("client", to=lab.node("node1").port(30081)).outcome == "connected"


@pytest.mark.usefixtures("ctrl_c_after_some_flows")
def test_the_command_prints_what_was_done_and_ends_as_interrupted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = run_to_status(cli, ["matrix", str(SCENARIO), "-o", "json"])

    told = capsys.readouterr()
    assert status == INTERRUPTED
    assert len(json.loads(told.out)["flows"]) == DONE
    assert "interrupted; the report has 5 of" in told.err


def test_probes_that_are_to_come_count_as_asked_for() -> None:
    """So that a display can tell how long the whole table takes, from its beginning."""
    with labkit.Lab(SCENARIO) as lab:
        asked: list[int] = []

        def judging(cluster: Cluster, row: FlowRow, *, enough: bool) -> FlowRow:
            asked.append(lab.probes.asked)
            return judged_row(cluster, row, enough=enough)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lab_module, "judged_row", judging)
            table = lab.matrix(attempts=3)

        assert set(asked) == {3 * len(table.flows)}
        assert lab.probes.answered >= 3 * len(table.flows)
