"""Random clusters in real labs: they agree with the model, and what does not is found and kept."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.iptables import apply as iptables
from labkit.dataplane.iptables.apply import IptablesPlane
from labkit.dataplane.iptables.render import render
from labkit.dataplane.rules import Ruleset
from labkit.errors import LabError, UsageError
from labkit.fuzz.block import Block, run_block
from labkit.fuzz.plan import blocks_of
from labkit.fuzz.run import FuzzRequest, fuzz
from labkit.fuzz.spread import in_processes
from labkit.lab.lab import Lab
from labkit.manifest.load import load_text
from tests.lab import host
from tests.lab.mutants import Mistake, Mistaken, mutated

LABKIT = str(Path(sys.executable).parent / "labkit")
NO_SNAT = Mistake(name="no SNAT", chain="KUBE-POSTROUTING", rule="-j MASQUERADE")
FORGETFUL = Mistake(name="no NodePorts", chain="KUBE-SERVICES", rule="-j KUBE-NODEPORTS")
DEADLINE_S = 20.0
ENOUGH = 5
"""The command, and some of its processes."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("dataplane", "clusters"),
    [
        ("iptables", 100),
        ("nftables", 100),
        # Where it needs a guest it takes its time.
        pytest.param("ipvs", 15, marks=pytest.mark.labkit_needs("ip_vs")),
        ("none", 50),
    ],
)
def test_random_clusters_are_as_specified(dataplane: str, clusters: int) -> None:
    request = FuzzRequest(block=Block(seed=20261125, dataplane=dataplane), clusters=clusters)

    found = fuzz(request)

    assert [failure.flows for failure in found.failures] == []
    assert found.clusters == clusters
    assert found.flows > 10 * clusters


def test_the_same_seed_asks_the_same_flows() -> None:
    block = Block(seed=3, count=5)

    first, second = run_block(block), run_block(block)

    assert sum(first.asked.values()) == sum(second.asked.values())
    assert first.clusters == second.clusters == 5


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mistake], None]:
    """Make this process render iptables rules with a mistake, for labs of any kind."""

    def make(mistake: Mistake) -> None:
        right = render

        def wrong(
            cluster: Cluster,
            node: Node,
            previous: Ruleset | None,  # noqa: ARG001 - what was rendered before has mistakes in it
            *,
            nfacct: bool,
        ) -> Ruleset:
            rules = right(cluster, node, nfacct=nfacct)
            return mutated(rules, mistake)

        monkeypatch.setattr(iptables, "render", wrong)

    return make


@pytest.mark.timeout(600)
def test_the_smallest_cluster_that_fails_is_a_scenario_that_fails_alone(
    mistaken: Callable[[Mistake], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistaken(FORGETFUL)
    # A busy machine has found a small one when its time is over, and not the smallest.
    monkeypatch.setattr("labkit.fuzz.block.SHRINKING_S", math.inf)

    failure = run_block(Block(seed=5, count=50)).failure

    assert failure is not None
    assert failure.alone
    scenario = load_text(failure.scenario)
    assert len(scenario.lab.spec.nodes) == 1
    assert len(scenario.services) == 1
    assert "connected" in failure.flows[0] or "refused" in failure.flows[0]


@pytest.mark.timeout(120)
def test_the_scenario_passes_where_the_mistake_is_mended(
    mistaken: Callable[[Mistake], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistaken(NO_SNAT)
    failure = run_block(Block(seed=5, count=50)).failure
    assert failure is not None
    monkeypatch.undo()

    with Lab(load_text(failure.scenario)) as lab:
        results = lab.check()

    assert results
    assert all(not result.differences for result in results)


@pytest.mark.timeout(120)
def test_what_a_lab_of_its_own_does_not_show_comes_with_what_was_before() -> None:
    """Here it is the renderer of the running lab alone that is wrong."""
    plane = Mistaken(IptablesPlane(), FORGETFUL)

    failure = run_block(Block(seed=5, count=50, shrink=False), plane=plane).failure

    assert failure is not None
    assert not failure.alone
    assert load_text(failure.before).services


def test_refused_rules_are_a_failure_that_names_the_rule() -> None:
    nonsense = Mistake(
        name="nonsense", chain="KUBE-SERVICES", rule="-j KUBE-EXT-.*", becomes="-j NOWHERE"
    )
    block = Block(seed=1, shrink=False)

    failure = run_block(block, plane=Mistaken(IptablesPlane(), nonsense)).failure

    assert failure is not None
    assert "Chain 'NOWHERE' does not exist" in failure.flows[0]


@pytest.mark.timeout(120)
def test_processes_find_what_one_process_finds() -> None:
    blocks = [replace(block, count=3) for block in blocks_of(Block(seed=9), 100)]

    alone = [run_block(block) for block in blocks]
    together = sorted(in_processes(blocks, 3), key=lambda result: result.block.seed)

    assert [(each.block, each.clusters) for each in together] == [
        (each.block, each.clusters) for each in alone
    ]
    assert [sum(each.asked.values()) for each in together] == [
        sum(each.asked.values()) for each in alone
    ]


def test_an_error_in_a_process_arrives_as_it_is() -> None:
    blocks = [Block(seed=seed, dataplane="none such") for seed in (1, 2)]

    with pytest.raises(UsageError, match="data plane none such cannot be compared"):
        list(in_processes(blocks, 2))


def test_a_process_that_is_killed_is_an_error() -> None:
    assert multiprocessing.active_children() == []

    def kill_one() -> None:
        until(lambda: bool(multiprocessing.active_children()))
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        with pytest.raises(LabError, match="was killed"):
            list(in_processes([Block(seed=seed, count=5000) for seed in (1, 2)], 2))
    finally:
        killer.join()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LABKIT, "fuzz", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_command_reports_as_json(tmp_path: Path) -> None:
    done = run("--cases", "4", "--nodes", "2", "--services", "1", "-o", "json", cwd=tmp_path)

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (report["schema"], report["clusters"], report["passed"]) == (
        "labkit.dev/fuzz/v1",
        4,
        True,
    )
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_minutes_end_a_run_without_cases(tmp_path: Path) -> None:
    done = run("--minutes", "0.03", "-o", "json", cwd=tmp_path)

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert report["clusters"] > 0
    assert report["elapsed_s"] < DEADLINE_S


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "junit"], "-o junit is no format of this report"),
        (["--cases", "0"], "--cases"),
        (["--dataplane", "iptable"], "iptable"),
        (["--save", "/nowhere/found.yaml"], "--save /nowhere/found.yaml: /nowhere is no folder"),
        (["--dask", "tcp://x:1", "--kernel", "uml"], "labs run on the kernels of Dask's workers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_told_in_one_sentence(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = run(*arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("processes", [1, ENOUGH])
def test_ctrl_c_at_a_terminal_ends_it_without_a_word(processes: int, tmp_path: Path) -> None:
    """A terminal interrupts every process of the command, also those that are just beginning."""
    mark = uuid4().hex
    running = subprocess.Popen(
        [LABKIT, "fuzz", "--cases", "5000"],
        cwd=tmp_path,
        env={**os.environ, "LABKIT_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        until(lambda: len(host.processes_with(mark)) > processes)
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=DEADLINE_S)
        until(lambda: not host.processes_with(mark))
    finally:
        running.kill()
        running.wait()

    assert said == b""
    assert running.returncode == 130


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_however_it_ends_no_process_is_left(end: signal.Signals, tmp_path: Path) -> None:
    mark = uuid4().hex
    running = subprocess.Popen(
        [LABKIT, "fuzz", "--cases", "5000"],
        cwd=tmp_path,
        env={**os.environ, "LABKIT_TEST_MARK": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(host.processes_with(mark)) > ENOUGH)
        running.send_signal(end)
        running.wait(DEADLINE_S)
        until(lambda: not host.processes_with(mark))
    finally:
        running.kill()
        running.wait()
