"""Virtual machines: what a command in one is to its caller, and how they end.

A start takes ten to twenty seconds where the processor does not help, so each test asks much.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.guest.choose import machine
from labkit.kernel.guest.exchange import kernel_kind
from tests.guest import guests
from tests.guest.guests import ROOT, finish, run_labkit
from tests.lab import host

pytestmark = pytest.mark.timeout(300)
SCENARIO = "scenarios/nodeport-local.yaml"
PLANES = {"iptables", "ipvs", "nftables"}
QEMU = "qemu-system"
start_task = partial(guests.start_task, kind="qemu")
run_task = partial(guests.run_task, kind="qemu")


@pytest.fixture(autouse=True)
def _qemu() -> None:
    if kernel_kind() != "host":
        pytest.skip("a guest starts no guests")
    try:
        machine("qemu")
    except MissingFeature as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def _leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    assert list(temporary.iterdir()) == []


def test_one_kernel_has_ipvs_and_nftables() -> None:
    done = run_labkit("doctor", "--kernel", "qemu", "-o", "json")

    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["name"]: each["available"] for each in json.loads(done.stdout)["features"]}
    assert {name for name in ("ip_vs", "dummy", "ipset", "nftables", "netem") if found[name]} == {
        *("ip_vs", "dummy", "ipset", "nftables", "netem")
    }


def test_a_scenario_passes_under_every_data_plane_of_one_guest(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    before = host.snapshot()

    done = run_labkit(
        *("run", "--kernel", "qemu", "--dataplane", ",".join(sorted(PLANES)), SCENARIO),
        *("-o", f"json={report}", "-o", "table"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    scenarios = json.loads(report.read_text())["scenarios"]
    assert {each["dataplane"] for each in scenarios} == PLANES
    assert {each["kernel"]["kind"] for each in scenarios} == {"qemu"}
    assert all(each["passed"] for each in scenarios)
    assert "3 scenarios, 9 checks: 9 passed" in done.stdout
    assert host.snapshot() == before


def test_output_status_and_results_come_back_and_nothing_else_changes(tmp_path: Path) -> None:
    kept, result = tmp_path / "kept", tmp_path / "result"
    kept.write_text("as it was")
    in_checkout = ROOT / "labkit" / "written-by-a-guest"
    code = f"""
import errno, os, sys
from pathlib import Path
from labkit.kernel.guest.exchange import place_of
Path({str(kept)!r}).write_text("changed")
place_of(Path({str(result)!r})).write_text("made")
try:
    Path({str(in_checkout)!r}).write_text("x")
except OSError as error:
    print(errno.errorcode[error.errno])
print(os.getcwd(), os.environ["LABKIT_SEEN"], os.getuid())
for number in range(20_000):
    print("line", number)
print("to stderr", file=sys.stderr)
sys.exit(7)
"""

    done = run_task(tmp_path, code, result, env={"LABKIT_SEEN": "a b="})

    lines = "".join(f"line {number}\n" for number in range(20_000))
    assert done.stdout == f"EROFS\n{tmp_path} a b= 0\n{lines}"
    assert (done.returncode, done.stderr) == (7, "to stderr\n")
    assert (kept.read_text(), result.read_text()) == ("as it was", "made")
    assert not in_checkout.exists()


def test_the_first_interrupt_reaches_the_command_and_the_second_ends_it(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, lambda *_: print('no', flush=True))\n"
        "print('here', flush=True)\n"
        "while True:\n    signal.pause()\n"
    )
    process = start_task(tmp_path, code)
    assert guests.first_line(process) == "here\n"

    process.send_signal(signal.SIGINT)
    assert guests.first_line(process) == "no\n"
    its = guests.descendants(process.pid)
    process.send_signal(signal.SIGINT)

    assert finish(process).returncode == 130
    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)


def test_a_killed_labkit_leaves_no_machine(tmp_path: Path) -> None:
    process = start_task(tmp_path, "import signal\nprint('here', flush=True)\nsignal.pause()\n")
    guests.first_line(process)
    its = guests.descendants(process.pid)
    assert any(QEMU in name for name in its.values()), its

    process.kill()
    finish(process)

    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)
    # Its folder is left to the next labkit, which removes it.
    assert run_labkit("doctor", "--kernel", "qemu").returncode == 0


def test_a_kernel_panic_is_told_with_its_reason(tmp_path: Path) -> None:
    done = run_task(tmp_path, "open('/proc/sysrq-trigger', 'w').write('c')\n")

    assert done.returncode == 1
    assert "labkit: the qemu kernel died" in done.stderr
    assert "Kernel panic" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_machine_that_hangs_is_killed_and_told(tmp_path: Path) -> None:
    process = start_task(tmp_path, "import signal\nprint('here', flush=True)\nsignal.pause()\n")
    guests.first_line(process)
    its = guests.descendants(process.pid)
    for pid, name in its.items():
        if QEMU in name:
            os.kill(pid, signal.SIGSTOP)

    done = finish(process)

    assert done.returncode == 1
    assert "the qemu kernel hangs: no sign of life for" in done.stderr
    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)


def test_a_machine_without_enough_memory_says_so(tmp_path: Path) -> None:
    code = "held = []\nwhile True:\n    held.append(b'x' * (1 << 20))\n"

    done = run_task(tmp_path, code, env={"LABKIT_GUEST_MEMORY": "256M"})

    assert done.returncode == 1
    assert "LABKIT_GUEST_MEMORY=512M" in done.stderr


def test_a_missing_kernel_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    named = tmp_path / "boot" / "vmlinuz-0"

    done = run_labkit("doctor", "--kernel", "qemu", env={"LABKIT_QEMU_KERNEL": str(named)})

    assert done.returncode == 3
    assert "apt-get install qemu-system-x86 linux-image-amd64" in done.stderr
    assert str(named) in done.stderr
