"""A kube-proxy that is missing, is none, dies or does nothing: one clear line, in time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from labkit.dataplane.kube_proxy import plane, program
from labkit.errors import LabError, MissingFeature, UsageError
from labkit.lab.lab import Lab
from labkit.lab.source import service_object
from labkit.pytest_plugin import LabFactory
from tests.lab import host
from tests.lab.test_leaves_nothing import assert_gone, start, until
from tests.real_kube_proxy import kube_proxy

ROOT = Path(__file__).parent.parent.parent
SCENARIO = str(ROOT / "scenarios/nodeport-cluster.yaml")
TALKS = """#!/bin/sh
case "$1" in
--version) echo "Kubernetes v1.99.0"; exit ;;
--help) echo "      --proxy-mode ProxyMode   one of 'iptables', 'ipvs' or 'nftables'"
    for flag in cluster-cidr nodeport-addresses masquerade-all; do echo "      --$flag string"; done
    exit ;;
esac
"""


def fake(folder: Path, body: str, *, head: str = TALKS) -> Path:
    """A program that says that it is a kube-proxy, and then does something else."""
    path = folder / "kube-proxy"
    path.write_text(head + body + "\n")
    path.chmod(0o755)
    return path


def labkit_run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labkit", "run", SCENARIO, *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def error_of(tmp_path: Path, lab: LabFactory, body: str) -> str:
    """What is said of a kube-proxy that does this in a lab."""
    with pytest.raises(LabError) as raised:
        lab(dataplane="kube-proxy", kube_proxy=fake(tmp_path, body))
    return str(raised.value)


# --- before a lab is built ---


def test_a_path_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(MissingFeature, match=r"gone: No such file or directory; name one: --kube-"):
        program.find(tmp_path / "gone")


def test_none_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingFeature, match=r"kube-proxy: it is not on PATH; name one"):
        program.find(None)


def test_one_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(tmp_path, "")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = program.find(None)

    assert found.path == path
    assert (found.version, found.release) == ("v1.99.0", (1, 99))
    assert found.modes == {"iptables", "ipvs", "nftables"}
    assert "cluster-cidr" in found.flags


def test_a_file_that_nobody_may_run(tmp_path: Path) -> None:
    path = fake(tmp_path, "")
    path.chmod(0o644)

    with pytest.raises(UsageError, match="is no program that can be run"):
        program.find(path)
    with pytest.raises(UsageError, match="is no program that can be run"):
        program.find(tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("#!/bin/sh\necho nginx version: 1.22", "'nginx version: 1.22'"),
        ("#!/bin/sh", "'nothing'"),
        ("#!/bin/sh\necho Kubernetes v1.36.0", "'Kubernetes v1.36.0'"),
        ("no program at all", "no kube-proxy"),
    ],
    ids=["another", "silent", "kubelet", "text"],
)
def test_a_program_that_is_no_kube_proxy(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        program.find(fake(tmp_path, body, head=""))

    assert f"{tmp_path}/kube-proxy is no kube-proxy: asked for its version" in str(raised.value)
    assert said in str(raised.value)


def test_one_that_never_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = uuid4().hex
    monkeypatch.setenv("LABKIT_TEST_MARK", mark)
    monkeypatch.setattr(program, "ANSWERS_WITHIN_S", 0.3)
    path = fake(tmp_path, f"#!/bin/sh\nsleep 1000 & touch {tmp_path}/up; sleep 1001", head="")

    with pytest.raises(UsageError, match=r"kube-proxy --version does not end within 0 s"):
        program.find(path)

    assert (tmp_path / "up").exists()
    until(lambda: not host.processes_with(mark), what="what it has started is left")


def programs_with(mark: str, name: str) -> list[int]:
    """Marked processes that run a program of this name."""
    found = []
    for process in host.processes_with(mark):
        with suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text().startswith(name):
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("option", "status"), [("gone", 3), ("README.md", 2), ("/usr/bin/true", 2)]
)
def test_the_exit_status_of_one_that_cannot_be_run(option: str, status: int) -> None:
    done = labkit_run("--kube-proxy", option)

    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr
    assert "kube-proxy" in done.stdout + done.stderr


def test_a_mode_that_it_does_not_know(tmp_path: Path, lab: LabFactory) -> None:
    path = fake(tmp_path, "", head=TALKS.replace("'ipvs' or ", ""))

    with pytest.raises(UsageError, match=r"kube-proxy v1\.99\.0 has no mode ipvs"):
        lab(dataplane="kube-proxy", kube_proxy=path, proxy_mode="ipvs")


def test_a_mode_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="kube-proxy has no mode 'userspace'; there are: ipt"):
        Lab(dataplane="kube-proxy", kube_proxy="unused", proxy_mode="userspace")


def test_a_lab_that_leaves_a_rule_out(tmp_path: Path, lab: LabFactory) -> None:
    with pytest.raises(UsageError, match=r"spec\.without: a real kube-proxy leaves no rule out"):
        lab(dataplane="kube-proxy", kube_proxy=fake(tmp_path, ""), without=["masquerade"])


# --- in a lab ---


def test_one_that_dies_at_once(tmp_path: Path, lab: LabFactory) -> None:
    found = error_of(tmp_path, lab, "echo starting; echo 'F1 cannot do this' >&2; exit 255")

    assert "/kube-proxy ended with 255; its output ends: starting | F1 cannot do this" in found


def test_one_that_never_gets_in_sync(
    tmp_path: Path, lab: LabFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane, "HOST_PATIENCE_S", 0.2)
    monkeypatch.setattr(plane, "A_NODE_S", 0.2)
    began = time.monotonic()

    found = error_of(tmp_path, lab, "echo 'I am here'; exec sleep 1000")

    assert "/kube-proxy is not in sync after 1 s; its output ends: I am here" in found
    assert time.monotonic() - began < 5.0


def test_the_exit_status_of_one_that_dies_in_a_lab(tmp_path: Path) -> None:
    done = labkit_run("--kube-proxy", fake(tmp_path, "echo no; exit 1"))

    assert done.returncode == 1
    assert "ended with 1; its output ends: no" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_one_that_dies_later_is_told_of_and_started_again(tmp_path: Path, lab: LabFactory) -> None:
    real, flag = kube_proxy(), tmp_path / "die"
    head = f'#!/bin/sh\ncase "$1" in --*version | --help) exec {real} "$1" ;; esac\n'
    # One of them takes the flag away, and dies.
    dies = f'{real} "$@" &\nuntil mv {flag} {flag}.taken 2>/dev/null; do sleep 0.01; done\nexit 7'
    running = lab(dataplane="kube-proxy", kube_proxy=fake(tmp_path, dies, head=head))
    running.add_service("one", selector={"app": "web"}, ports=[80])

    flag.touch()
    until(lambda: "ended with 7" in said_of_a_change(running), what="nobody notices")

    running.add_pod("web-1", labels={"app": "web"}, ports=[80])
    assert set(running.probe("node2", to="one:80").backends) == {"web-1"}


def said_of_a_change(running: Lab) -> str:
    """Ask for a change of a lab one of whose kube-proxies dies, and return what is said."""
    try:
        # It is there if taking it away is what failed the last time.
        running.add([service_object("two", selector={"app": "web"}, ports=[80], spec={})])
        running.remove("Service", "two")
    except LabError as error:
        return str(error)
    return ""


# --- however it ends ---


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_it(how: signal.Signals, tmp_path: Path) -> None:
    before, namespaces = host.snapshot(), host.network_namespaces()
    path = fake(tmp_path, f"touch {tmp_path}/up; sleep 1000 & sleep 1001")
    mark = uuid4().hex
    process = start(mark, SCENARIO, "--kube-proxy", path)
    until((tmp_path / "up").exists, what="the run has begun")

    process.send_signal(how)
    process.wait(timeout=10)

    assert_gone(mark, namespaces)
    assert host.snapshot() == before


def test_nothing_is_left_of_the_real_one() -> None:
    before, namespaces = host.snapshot(), host.network_namespaces()
    mark = uuid4().hex
    process = start(mark, SCENARIO, "--kube-proxy", kube_proxy())
    until(lambda: bool(programs_with(mark, "kube-proxy")), what="the run has begun")

    process.kill()
    process.wait()

    assert_gone(mark, namespaces)
    assert host.snapshot() == before
