"""``labkit bench``: wrong input, what an interrupt leaves, and reports of stored results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from labkit.bench.contest import Case, Contestant, Notebook, Rounds, Tell
from labkit.bench.fuzz import LABELS as FUZZ_LABELS
from labkit.bench.held import LABELS as HELD_LABELS
from labkit.bench.lab.cell import LABELS as LAB_LABELS
from labkit.bench.probe.metrics import LABELS as PROBE_LABELS
from labkit.bench.results import Metric, from_json, to_json
from labkit.bench.sync.planes import PLANES
from labkit.cli import bench, cli
from labkit.cli.benching import Asked, Sweep
from labkit.cli.ending import run_to_status
from labkit.cli.options import Output
from labkit.errors import LabError
from tests.unit.bench.examples import measured, reported

SECONDS = Metric("set-up", "s")


def bench_status(*arguments: str) -> int:
    return run_to_status(cli, ["bench", *arguments])


def asked(*outputs: Output) -> Asked:
    return Asked(
        outputs=outputs or (Output("table", None),),
        kernel="host",
        dask="",
        rounds=None,
        seed=0,
        quick=False,
        quiet=True,
        rootless=False,
    )


@dataclass(frozen=True)
class Ended:
    """A cell that is ended in its second round by something."""

    error: BaseException
    weight: float = 1

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        turns = iter([1.0, None])

        def turn() -> Mapping[Metric, float]:
            value = next(turns)
            if value is None:
                raise self.error
            return {SECONDS: value}

        who = Contestant(name="labkit", label="labkit", turn=turn)
        Rounds(count=5, seed=0).play(Case(size=10), [who], notebook, tell=tell)


def sweep(error: BaseException) -> Sweep:
    return Sweep(bench="lab", sizes="pods", cells=[Ended(error)], rounds=5, options={})


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cell that needs no namespaces needs no rights to make them."""
    monkeypatch.setattr("labkit.cli.benching.prepare", lambda **_: None)
    with click.Context(click.Command("lab")).scope():
        yield


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("lab", "--only", "labkit,munett"),
            "--only: there is no contestant munett; did you mean munet? there are: floor, labkit, ",
        ),
        (("lab", "--only", ","), "--only: this names no contestant; there are: floor, labkit, "),
        (("lab", "--pods", "0"), "--pods: '0' is no size; give whole numbers from 1, as 10,100; "),
        (("lab", "--pods", "10,x"), "--pods: 'x' is no size; give whole numbers from 1, as "),
        (
            ("lab", "--pods", "1024", "--nodes", "1"),
            "no lab has --pods 1024 on --nodes 1: a node has at least one pod and at most 1023",
        ),
        (("lab", "--pods", "2", "--nodes", "3"), "no lab has --pods 2 on --nodes 3: "),
        (("probe", "--hosts", "1"), "--hosts: 1 is not in the range 2<=x<=1000; "),
        (("sync", "--services", "-5"), "--services: '-5' is no size; "),
        (("sync", "--dataplane", "ipv"), "--dataplane: there is no data plane ipv; did you mean "),
        (("sync", "--iptables", "nff"), "--iptables: there is no backend nff; did you mean nft?"),
        (
            ("sync", "--only", "kube-proxy"),
            "--only kube-proxy leaves nobody of --dataplane iptables,nftables,ipvs",
        ),
        (("lab", "--rounds", "0"), "--rounds: 0 is not in the range 1<=x<=1000; "),
        (("lab", "-o", "png"), "-o png is no text; write it to a file: -o png=FILE"),
        (("lab", "-o", "junit"), "--output: 'junit' is no format; there are: table, markdown, "),
        (
            ("lab", "--kernel", "uml", "--dask"),
            "--kernel uml with --dask: labs run on the kernels of Dask's workers",
        ),
        (("probee",), "there is no benchmark probee; did you mean probe?"),
        (("report", "missing.json"), "missing.json: No such file or directory"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_status(*arguments) == 2

    shown = capsys.readouterr()
    assert shown.err.startswith(f"labkit: {said}")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize("output", ["svg", "png=plot.png"])
def test_a_picture_without_matplotlib_is_status_3_before_anything_is_measured(
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert bench_status("lab", "-o", output) == 3

    assert capsys.readouterr().err == (
        "labkit: plots: the Python package matplotlib is missing; pip install labkit[plot]\n"
    )


def test_the_remedy_names_an_extra_that_there_is() -> None:
    plot = [each for each in requires("labkit") or () if each.replace("'", '"').endswith('"plot"')]
    assert [each.split(">")[0] for each in plot] == ["matplotlib"]


@pytest.mark.usefixtures("as_root")
def test_an_interrupt_prints_the_rounds_that_were_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(KeyboardInterrupt()).measure(asked()) == 130

    shown = capsys.readouterr().out
    assert ", interrupted\n" in shown
    assert ["10", "labkit", "1.00", "s", "1.00-1.00"] in [row.split() for row in shown.splitlines()]


@pytest.mark.usefixtures("as_root")
def test_an_interrupt_of_a_guest_is_one_of_the_command() -> None:
    assert sweep(SystemExit(130)).measure(asked()) == 130
    with pytest.raises(SystemExit, match="1"):
        sweep(SystemExit(1)).measure(asked())


@pytest.mark.usefixtures("as_root")
def test_a_failure_does_not_lose_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "lab.json"

    with pytest.raises(LabError, match="a bridge is full"):
        sweep(LabError("a bridge is full")).measure(asked(Output("json", file)))

    report = from_json(file.read_bytes(), where="lab.json")
    assert not report.complete
    assert report.runs[0].measurements[0].values == (1.0,)


def test_stored_results_are_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = reported(measured("floor", [1.0]), measured("labkit", [2.0]))
    file = tmp_path / "lab.json"
    file.write_text(to_json(report))
    picture = tmp_path / "lab.png"

    status = bench_status("report", str(file), "-o", "markdown", "-o", f"png={picture}")

    assert status == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = [row.split() for row in capsys.readouterr().out.splitlines() if "the labkit" in row]
    assert [word for word in shown[0] if word != "|"] == [
        *("10", "the", "labkit", "2.00", "s", "2.00-2.00", "2.00"),
    ]


def test_json_of_a_stored_report_is_that_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.json"
    file.write_text(to_json(reported(measured("floor", [1.0]))))

    assert bench_status("report", str(file), "-o", "json") == 0

    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())


def test_a_metric_that_was_not_measured_is_told_with_the_one_that_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.json"
    file.write_text(to_json(reported(measured("floor", [1.0]))))

    assert bench_status("report", str(file), "--metric", "setup") == 2

    assert capsys.readouterr().err == (
        "labkit: nothing called setup was measured; did you mean set-up? there are: set-up\n"
    )


def test_a_picture_of_nothing_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.json"
    file.write_text(to_json(reported(measured("floor", [0.0]))))

    assert bench_status("report", str(file), "-o", "svg") == 2

    assert capsys.readouterr().err == (
        "labkit: there is nothing to draw in a svg; name what to show: --metric NAME\n"
    )


def test_only_offers_everybody_who_can_take_part() -> None:
    """The command names them itself, as it must not import what measures to print its help."""
    assert tuple(LAB_LABELS) == bench.LAB
    assert tuple(PROBE_LABELS) == bench.PROBE
    assert tuple(HELD_LABELS) == bench.HELD
    assert tuple(FUZZ_LABELS) == bench.FUZZ
    assert (*PLANES, "kube-proxy", "by-hand") == bench.RULES
    assert set(bench.SYNC) == {plane.dataplane for plane in PLANES.values()}


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["bench"], "pr", ["probe"]),
        (["bench", "lab", "--only"], "labkit,m", ["labkit,mininet", "labkit,munet"]),
        (["bench", "sync", "--dataplane"], "n", ["nftables"]),
        (["bench", "report", "-o"], "s", ["svg"]),
    ],
)
def test_shells_complete_benchmarks_and_contestants(
    words: list[str], begun: str, offered: list[str]
) -> None:
    found = ShellComplete(cli, {}, "labkit", "_LABKIT_COMPLETE").get_completions(words, begun)
    assert [each.value for each in found] == offered
