"""User-Mode Linux guests: what a command in one is to its caller, and how they end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest import guests
from tests.guest.guests import ROOT, finish, run_labkit, run_task, start_task
from tests.lab import host

pytestmark = pytest.mark.needs_uml
SCENARIO = "scenarios/nodeport-local.yaml"
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")
FORBIDDEN = (sys.executable, str(ROOT / "tests/guest/without_user_namespaces.py"))
LABKIT = (sys.executable, "-m", "labkit")
SOME = 2
"""Processes of a kernel that runs programs: itself and its helpers."""
WAITING = "import signal\nprint('here', flush=True)\nsignal.pause()\n"


@pytest.fixture(autouse=True)
def _leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No folder is left of a guest, neither among temporary files nor in the home directory."""
    temporary, home = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("home")
    temporary.chmod(0o1777)
    temporary.parent.chmod(0o755)  # pytest keeps its folders from other users
    temporary.parent.parent.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    yield
    assert [*temporary.iterdir(), *home.iterdir()] == []


def test_a_scenario_runs_and_the_report_names_the_kernel(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    before = host.snapshot()

    done = run_labkit("run", "--kernel", "uml", SCENARIO, "-o", f"json={report}", "-o", "table")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    (scenario,) = json.loads(report.read_text())["scenarios"]
    assert scenario["kernel"]["kind"] == "uml"
    assert scenario["kernel"]["release"] != os.uname().release
    assert host.snapshot() == before


def test_doctor_finds_what_the_host_may_lack() -> None:
    done = run_labkit("doctor", "--kernel", "uml", "-o", "json")

    found = {each["name"]: each["available"] for each in json.loads(done.stdout)["features"]}
    assert found["ip_vs"]
    assert found["dummy"]
    assert found["set match"]
    assert not found["nftables"]


def test_streams_stay_apart_and_the_status_comes_back(tmp_path: Path) -> None:
    done = run_task(
        tmp_path,
        "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)\nsys.exit(7)\n",
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "to stdout\n", "to stderr\n")


def test_every_byte_comes_through(tmp_path: Path) -> None:
    lines = 40_000

    done = run_task(tmp_path, f"for n in range({lines}):\n    print('line', n)\n")

    assert done.stdout == "".join(f"line {n}\n" for n in range(lines))


def test_a_command_that_a_signal_ends_has_its_status(tmp_path: Path) -> None:
    done = run_task(tmp_path, "import os\nos.kill(os.getpid(), 15)\n")

    assert done.returncode == 128 + signal.SIGTERM


def test_the_command_is_where_and_as_it_would_be_on_the_host(tmp_path: Path) -> None:
    code = (
        "import json, os, sys\n"
        "print(json.dumps([os.getcwd(), sys.executable, os.environ['LABKIT_SEEN'], os.getuid()]))\n"
    )

    done = run_task(tmp_path, code, env={"LABKIT_SEEN": "a b\n="})

    assert json.loads(done.stdout) == [str(tmp_path), sys.executable, "a b\n=", 0]


def test_nothing_of_the_host_can_be_written_but_the_results(tmp_path: Path) -> None:
    kept, result = tmp_path / "kept", tmp_path / "result"
    kept.write_text("as it was")
    elsewhere = Path("/usr/written-by-a-guest")  # not in /tmp, which is the guest's own
    code = f"""
import errno
from pathlib import Path
from labkit.kernel.guest.exchange import place_of
Path({str(kept)!r}).write_text("changed")
Path("new").write_text("in memory")
place_of(Path({str(result)!r})).write_text("made")
try:
    Path({str(elsewhere)!r}).write_text("x")
except OSError as error:
    print(errno.errorcode[error.errno])
"""

    done = run_task(tmp_path, code, result)

    assert (done.stdout, done.stderr) == ("EROFS\n", "")
    assert kept.read_text() == "as it was"
    assert result.read_text() == "made"
    assert {each.name for each in tmp_path.iterdir()} == {"kept", "result", "guest_task.py"}
    assert not elsewhere.exists()


def test_two_guests_at_once_do_not_meet(tmp_path: Path) -> None:
    code = "from pathlib import Path\nPath('/tmp/mine').touch(exist_ok=False)\nprint('alone')\n"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()

    done = [finish(each) for each in [start_task(folder, code) for folder in folders]]

    assert [each.stdout for each in done] == ["alone\n"] * 2, [each.stderr for each in done]


def test_an_interrupt_reaches_the_command(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "try:\n"
        + "".join(f"    {line}\n" for line in WAITING.splitlines())
        + "except KeyboardInterrupt:\n    print('interrupted')\n    sys.exit(42)\n"
    )
    process = start_task(tmp_path, code)
    guests.first_line(process)

    process.send_signal(signal.SIGINT)
    done = finish(process)

    assert (done.returncode, done.stdout, done.stderr) == (42, "interrupted\n", "")


def test_a_second_interrupt_ends_a_command_that_ignores_the_first(tmp_path: Path) -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, lambda *_: print('no', flush=True))\n"
        "print('here', flush=True)\n"
        "while True:\n    signal.pause()\n"
    )
    process = start_task(tmp_path, code)
    guests.first_line(process)

    process.send_signal(signal.SIGINT)
    assert guests.first_line(process) == "no\n"
    process.send_signal(signal.SIGINT)

    assert finish(process).returncode == 130


def test_a_killed_labkit_leaves_no_process_and_its_folder_to_the_next(tmp_path: Path) -> None:
    process = start_task(tmp_path, WAITING)
    guests.first_line(process)
    its = guests.descendants(process.pid)
    assert sum("linux.uml" in name for name in its.values()) > 1, its

    process.kill()
    finish(process)

    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)
    assert run_task(tmp_path, "print('next')").stdout == "next\n"


def test_a_kernel_panic_is_told_with_its_reason(tmp_path: Path) -> None:
    done = run_task(tmp_path, "open('/proc/sysrq-trigger', 'w').write('c')\n")

    assert done.returncode == 1
    assert "labkit: the uml kernel died" in done.stderr
    assert "Kernel panic" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_guest_that_hangs_is_killed_and_told(tmp_path: Path) -> None:
    process = start_task(tmp_path, WAITING)
    guests.first_line(process)
    its = guests.descendants(process.pid)
    for pid, name in its.items():
        if "linux.uml" in name:
            os.kill(pid, signal.SIGSTOP)

    done = finish(process)

    assert done.returncode == 1
    assert "no sign of life for 4 s" in done.stderr
    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)


def test_a_guest_without_enough_memory_says_so(tmp_path: Path) -> None:
    code = "held = []\nwhile True:\n    held.append(b'x' * (1 << 20))\n"

    done = run_task(tmp_path, code, env={"LABKIT_GUEST_MEMORY": "128M"})

    assert done.returncode == 1
    assert "128 MiB" in done.stderr
    assert "LABKIT_GUEST_MEMORY=256M" in done.stderr


@pytest.mark.parametrize("size", ["lots", "8M", "0", "-1G"])
def test_memory_that_is_no_size_is_refused_at_once(size: str) -> None:
    done = run_labkit("doctor", "--kernel", "uml", env={"LABKIT_GUEST_MEMORY": size})

    assert done.returncode == 2
    assert f"LABKIT_GUEST_MEMORY={size}" in done.stderr


def test_a_directory_that_the_guest_has_of_its_own_is_refused() -> None:
    command = [sys.executable, "-m", "labkit", "doctor", "--kernel", "uml"]

    done = finish(guests.start(command, folder=Path("/run")))

    assert done.returncode == 2
    assert done.stderr == (
        "labkit: a guest has a /run of its own; go to another folder than /run\n"
    )


def test_a_missing_image_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    done = run_labkit("doctor", "--kernel", "uml", env={"LABKIT_UML_KERNEL": str(tmp_path / "no")})

    assert done.returncode == 3
    assert "apt-get install user-mode-linux" in done.stderr


def test_a_reader_that_goes_ends_the_command_quietly() -> None:
    process = guests.start_labkit("doctor", "--kernel", "uml")
    assert process.stdout is not None
    process.stdout.close()

    _, error = process.communicate()

    assert process.returncode != 0
    assert error == ""


def test_an_ordinary_user_runs_a_scenario_in_a_guest() -> None:
    _need_root()

    done = finish(guests.start([*NOBODY, *LABKIT, "run", "--kernel", "uml", SCENARIO]))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.parametrize("kernel", ["uml", "auto"])
def test_a_guest_needs_no_user_namespaces(kernel: str) -> None:
    _need_root()

    done = finish(guests.start([*FORBIDDEN, *LABKIT, "run", "--kernel", kernel, SCENARIO]))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_killed_labkit_leaves_no_process_without_user_namespaces() -> None:
    _need_root()
    process = guests.start([*FORBIDDEN, *LABKIT, "run", "--kernel", "uml", "scenarios"])
    guests.until(lambda: _user_mode_linuxes(process.pid) > SOME)
    its = guests.descendants(process.pid)
    (labkit,) = [pid for pid, name in its.items() if name.startswith("python")][-1:]

    os.kill(labkit, signal.SIGKILL)
    finish(process)

    assert guests.until(lambda: not guests.alive(its)), guests.alive(its)
    assert finish(guests.start([*NOBODY, *LABKIT, "doctor", "--kernel", "uml"])).returncode == 0


def _user_mode_linuxes(pid: int) -> int:
    return sum("linux.uml" in name for name in guests.descendants(pid).values())


def _need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    if subprocess.run([*NOBODY, "test", "-x", sys.executable], check=False).returncode:
        pytest.skip("no other user can run this interpreter")


@pytest.mark.parametrize("kernel", ["host", "uml"])
def test_a_report_has_colour_on_a_terminal_and_only_there(kernel: str) -> None:
    labkit = [*LABKIT, "run", "-q", "--kernel", kernel, "scenarios/hairpin.yaml"]

    on_terminal = finish(guests.start(["script", "-qec", shlex.join(labkit), "/dev/null"]))
    piped = finish(guests.start(labkit))

    assert "\x1b[" in on_terminal.stdout, on_terminal.stdout
    assert "\x1b[" not in piped.stdout
