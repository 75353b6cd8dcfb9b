"""``labkit bench`` on the kernel, quickly: what is measured is asked for, not how long it took."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from labkit.bench.contest import GivenUp
from labkit.bench.lab.tools import TOOLS, python_with, run_alone
from labkit.kernel.daemon import until

pytestmark = pytest.mark.timeout(120)
RULES = ("iptables-nft", "iptables-legacy", "nftables")
TURNS = 3
"""Each is a process of its own: the third one has begun when the first two have ended."""
CHANGES = {"a Service added", "an endpoint changed"}
CONNECTS = {f"connect, {place} Service" for place in ("first", "middle", "last")}


def bench(*arguments: str) -> Mapping[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "bench", *arguments, "--quick", "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


def measured(report: Mapping[str, Any]) -> Mapping[tuple[str, str], list[float]]:
    """Values by contestant and metric."""
    return {
        (each["contestant"], each["metric"]): each["values"]
        for run in report["runs"]
        for each in run["measurements"]
    }


def left_out(report: Mapping[str, Any]) -> set[str]:
    return {each["contestant"] for run in report["runs"] for each in run["left_out"]}


def host_network() -> str:
    """What other tools could change of the machine's own: links, names of namespaces, a sysctl."""
    links = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True, check=True)
    run = Path("/run/netns")
    names = sorted(path.name for path in run.iterdir()) if run.is_dir() else []
    limits = Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii")
    return f"{links.stdout}{names}{limits}"


def test_lab_measures_everybody_who_is_here_and_leaves_the_machine_alone() -> None:
    before = host_network()

    report = bench("lab", "--rounds", "2")

    found = measured(report)
    for name in ("floor", "labkit", "whole", "ip-batch"):
        (seconds,) = [values for key, values in found.items() if key == (name, "set-up")]
        assert len(seconds) == 2
        assert all(0 < value < 60 for value in seconds)
    assert found["labkit", "file descriptors a pod"][0] >= 1
    for tool in TOOLS:
        assert ((tool, "set-up") in found) != (tool in left_out(report))
        assert (tool in left_out(report)) == (python_with(tool) is None)
    assert host_network() == before


def test_lab_leaves_out_slow_tools_of_large_labs() -> None:
    found = measured(bench("lab", "--pods", "4", "--slow-up-to", "3", "--only", "floor,ip-batch"))
    assert {contestant for contestant, _ in found} == {"floor"}


def test_probe_asks_all_pairs_and_the_whole_table() -> None:
    report = bench("probe", "--only", "epoll,labkit,udp,asyncio,process")

    found = measured(report)
    for name in ("epoll", "labkit", "udp", "asyncio", "process"):
        half, most = found[name, "latency p50, all pairs"], found[name, "latency p99, all pairs"]
        assert found[name, "probes, all pairs"][0] > 0
        assert 0 < half[0] <= most[0]
    for name in ("epoll", "labkit", "asyncio"):
        assert found[name, "probes, matrix of 1 Service"][0] > 0


def test_sync_installs_changes_and_goes_through_the_rules() -> None:
    report = bench("sync", "--services", "4,2")

    planes = [name for name in RULES if name not in left_out(report)]
    found = measured(report)
    assert planes
    for name in planes:
        metrics = {metric for contestant, metric in found if contestant == name}
        assert metrics >= {"render", "apply", "install", *CHANGES, *CONNECTS}
        (install,) = found[name, "install"]
        assert install == pytest.approx(found[name, "render"][0] + found[name, "apply"][0])
        assert found[f"{name} by hand", "install"][0] > 0
    assert {each["size"] for run in report["runs"] for each in run["measurements"]} == {2, 4}


def test_held_and_fuzz_measure() -> None:
    held = measured(bench("held"))
    fuzz = measured(bench("fuzz", "--clusters", "2", "--only", "one,new"))

    assert {name for name, _ in held} == {"lab", "up", "python", "exec", "true"}
    assert {name for name, _ in fuzz} == {"one", "new"}


def test_a_tool_that_fails_gives_up_with_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "star.py"
    script.write_text("raise SystemExit('the bridge is full')")

    with pytest.raises(GivenUp, match="it failed: the bridge is full"):
        run_alone(sys.executable, script, ())


def turns_of(parent: int) -> set[str]:
    """The namespaces that a process has begun, by the program that makes them: proc(5), stat."""
    found: set[str] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text(encoding="ascii").rpartition(")")
            if int(rest.split()[1]) == parent and name.endswith("(unshare"):
                found.add(stat.parent.name)
    return found


def test_an_interrupt_keeps_the_rounds_that_were_done(tmp_path: Path) -> None:
    file = tmp_path / "lab.json"
    words = ["lab", "--quick", "--rounds", "1000", "--only", "floor", "-o", f"json={file}"]
    turns: set[str] = set()

    with subprocess.Popen(
        [sys.executable, "-m", "labkit", "bench", *words], stderr=subprocess.PIPE, text=True
    ) as bench_process:

        def has_had_turns() -> bool:
            turns.update(turns_of(bench_process.pid))
            return len(turns) >= TURNS

        assert until(has_had_turns, (), within_s=60)
        bench_process.send_signal(signal.SIGINT)
        _, said = bench_process.communicate(timeout=60)

    assert (bench_process.returncode, said) == (130, "")
    report = json.loads(file.read_text())
    assert not report["complete"]
    assert len(measured(report)["floor", "set-up"]) >= TURNS - 1
