"""Labs that stay, changed and probed by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, PROGRAMS, Labs, labs_in

NAME = "nodeport-cluster"
WEB_9 = """
apiVersion: v1
kind: Pod
metadata: {name: web-9, labels: {run: my-nginx}}
spec:
  nodeName: node2
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
"""
OTHER = """
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {type: NodePort, selector: {run: my-nginx}, ports: [{port: 80, nodePort: 30090}]}
"""


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        mine.ok("up", CLUSTER)
        yield mine


def hostname(labs: Labs, node_port: int) -> tuple[int, str]:
    words = ["curl", "-s", "-m", "1", f"192.168.0.2:{node_port}/hostname"]
    done = labs.run("exec", NAME, "client", "--", *words)
    return done.returncode, done.stdout


def test_what_is_applied_serves_at_once_and_what_is_deleted_does_no_more(labs: Labs) -> None:
    assert labs.ok("apply", NAME, "-", stdin=f"{WEB_9}---{OTHER}") == (
        "Pod/web-9 created\nService/other created\n"
    )
    assert labs.ok("delete", NAME, "pod/web-1") == "Pod/web-1 deleted\n"
    assert hostname(labs, 30090) == (0, "web-9")
    assert hostname(labs, 30080) == (0, "web-9")

    assert labs.ok("delete", NAME, "svc/other") == "Service/other deleted\n"
    assert hostname(labs, 30090)[0] == 7  # curl(1): could not connect
    assert labs.run("exec", NAME, "web-1", "true").returncode == 2


def test_apply_says_what_became_of_each_object(labs: Labs, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    text = Path(CLUSTER).read_text().replace("nodePort: 30080", "nodePort: 30099")
    changed.write_text(text)

    said = labs.ok("apply", NAME, str(changed)).splitlines()

    assert "Lab/nodeport-cluster unchanged" in said
    assert "Pod/web-1 unchanged" in said
    assert "Service/my-nginx configured" in said
    assert hostname(labs, 30099) == (0, "web-1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WEB_9.replace("node2", "node7"), "<stdin>:6:13: spec.nodeName: there is no node 'node7'"),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: node3}\n",
            (
                "<stdin>:1:1: a lab keeps its hosts and network while it runs; leave it out, "
                f"or build the lab again: labkit down {NAME}"
            ),
        ),
        ("a: [", "<stdin>:2:1: this is not YAML"),
    ],
    ids=["a wrong name", "another node", "no YAML"],
)
def test_apply_refuses_with_the_place_and_changes_nothing(labs: Labs, text: str, says: str) -> None:
    done = labs.run("apply", NAME, "-", stdin=text)

    assert done.returncode == 2
    assert done.stderr.startswith(says)
    assert "3 passed" in labs.ok("check", NAME)


def test_delete_says_what_there_is(labs: Labs) -> None:
    assert labs.run("delete", NAME, "pod/wb-1").stderr == (
        "labkit: there is no Pod wb-1 in this scenario; did you mean web-1? "
        "there are: web-1, caller\n"
    )
    assert "did you mean Pod?" in labs.run("delete", NAME, "pood/web-1").stderr
    assert labs.run("delete", NAME, "web-1").returncode == 2


def test_check_reports_as_run_does_and_fails_where_a_check_does(labs: Labs, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert "3 passed" in labs.ok("check", NAME, "-o", "table", "-o", f"json={report}")
    (scenario,) = json.loads(report.read_text())["scenarios"]
    assert [check["passed"] for check in scenario["checks"]] == [True, True, True]

    labs.ok("apply", NAME, "-", stdin=WEB_9)
    done = labs.run("check", NAME)

    assert done.returncode == 1
    assert "web-9 answered too" in done.stdout


def test_matrix_takes_a_labs_name(labs: Labs) -> None:
    labs.ok("apply", NAME, "-", stdin=WEB_9)

    table = json.loads(labs.ok("matrix", NAME, "--from", "client", "-o", "json"))

    node_ports = [flow for flow in table["flows"] if flow["via"] == "NodePort"]
    assert [set(flow["backends"]) for flow in node_ports] == [{"web-1", "web-9"}] * 2
    assert all(flow["agrees"] for flow in table["flows"])


def test_matrix_tells_files_from_labs(labs: Labs, tmp_path: Path) -> None:
    assert labs.run("matrix", NAME, CLUSTER).stderr == (
        f"labkit: lab {NAME} and files are two commands; give one or the other\n"
    )
    assert labs.run("matrix", "nodeport-clustr").stderr == (
        f"labkit: no lab nodeport-clustr runs; did you mean {NAME}? there are: {NAME}\n"
    )
    assert labs.run("matrix", NAME, "--dataplane", "nftables").stderr == (
        f"labkit: --dataplane is for building, and lab {NAME} is up; give its file instead\n"
    )
    file = tmp_path / NAME
    assert labs.run("matrix", str(file)).stderr.startswith(f"{file}:1:1: cannot be read")


def test_logs_are_what_programs_wrote(labs: Labs, tmp_path: Path) -> None:
    scenario = tmp_path / "programs.yaml"
    scenario.write_text(PROGRAMS)
    labs.ok("up", str(scenario))

    nothing = labs.run("logs", NAME)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "built-in responders write nothing" in nothing.stderr
    assert labs.ok("logs", "programs").startswith("hello from web-1\n")
    assert labs.ok("logs", "programs", "web-1") == labs.ok("logs", "programs", "web-1/web")
    assert labs.run("logs", "programs", "wb-1").stderr.startswith(
        "labkit: no pod wb-1 is in lab programs; did you mean web-1?"
    )


def test_a_failed_check_of_a_changed_lab_leads_to_the_lab_and_not_to_its_file(labs: Labs) -> None:
    labs.ok("delete", NAME, "pod/web-1")

    done = labs.run("check", NAME)

    assert done.returncode == 1
    assert f"labkit explain {NAME} client node2:30080\n" in done.stdout
    said = labs.ok("explain", NAME, "client", "node2:30080")
    assert "expected: refused" in said
