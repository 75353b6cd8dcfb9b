"""``labkit diff`` on saved flow tables and with wrong input: no kernel is asked."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from labkit.cli import cli
from labkit.cli.ending import run_to_status
from labkit.probe.table import FlowTable, to_json
from tests.recorded import TRUTH
from tests.recorded_tables import recorded, recorded_cluster

SCENARIO = TRUTH / "scenarios" / "nodeport-local.yaml"


def table(dataplane: str) -> FlowTable:
    return recorded(dataplane, SCENARIO, recorded_cluster(SCENARIO))


def saved(folder: Path, name: str, flow_table: FlowTable) -> str:
    path = folder / name
    path.write_text(to_json(flow_table))
    return str(path)


def diff(*arguments: str) -> int:
    return run_to_status(cli, ["diff", *arguments])


def test_saved_tables_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = saved(tmp_path, "before.json", table("ipvs"))
    after = saved(tmp_path, "after.json", table("nftables"))

    status = diff("--tables", before, after, str(SCENARIO))

    shown = capsys.readouterr().out
    assert status == 0
    assert "nodeport-local: ipvs → nftables: 1 Service, 32 flows, 3 differ in 2 ways" in shown
    assert "rules: kube-proxy v1.36.2" in shown


def test_a_difference_without_a_name_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = table("ipvs")
    broken = msgspec.structs.replace(
        first,
        flows=tuple(
            msgspec.structs.replace(row, backends={**row.backends, "stranger": 1})
            for row in first.flows
        ),
    )
    files = saved(tmp_path, "before.json", first), saved(tmp_path, "after.json", broken)

    assert diff("--tables", *files, str(SCENARIO), "-o", "json") == 1

    report = json.loads(capsys.readouterr().out)
    assert report["comparisons"][0]["unnamed"] == len(first.flows)


def test_a_report_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [saved(tmp_path, f"{name}.json", table(name)) for name in ("ipvs", "nftables")]
    report = tmp_path / "migration.md"

    assert diff("--tables", *files, str(SCENARIO), "-o", f"markdown={report}") == 0

    assert report.read_text().startswith("## nodeport-local: ipvs → nftables")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "without --dataplane there is nothing to compare"),
        (("--dataplane", "nftables"), "--dataplane nftables there is nothing to compare"),
        (("--dataplane", "ipvs,ipvs"), "expected two or more that differ"),
        (("--dataplane", "ipvs,ebpf"), "data plane ebpf cannot be compared; there are: iptables"),
        (("--dataplane", "ipvs,nftables", "-o", "junit"), "-o junit is no format of this report"),
        (("--tables", "a.json", "b.json", "--dataplane", "ipvs"), "--tables say themselves"),
        (("--tables", "missing.json", "b.json"), "missing.json: No such file or directory"),
    ],
)
def test_wrong_input_is_status_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff(str(SCENARIO), *arguments) == 2

    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_a_file_that_is_no_table_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"schema": "labkit.dev/report/v1"}')

    assert diff("--tables", str(wrong), str(wrong), str(SCENARIO)) == 2

    assert f"{wrong}: this is no flow table" in capsys.readouterr().err


def test_tables_of_several_scenarios_at_once_are_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, "table.json", table("ipvs"))
    other = TRUTH / "scenarios" / "udp.yaml"

    assert diff("--tables", file, file, str(SCENARIO), str(other)) == 2

    assert "FILE holds 2: nodeport-local, udp" in capsys.readouterr().err


def test_the_schema_of_the_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_to_status(cli, ["schema", "--diff"]) == 0

    assert json.loads(capsys.readouterr().out)["title"] == "labkit.dev/diff/v1"
