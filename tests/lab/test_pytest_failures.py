"""What failing tests leave: a bundle that repeats the failure, a lab that stays, the prompt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.held import Labs
from tests.lab.terminal import terminal

PYTEST = str(Path(sys.executable).parent / "pytest")
LABKIT = str(Path(sys.executable).parent / "labkit")
SCENARIO = """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: wrong}
spec:
  nodes: [{name: node1}, {name: node2}, {name: node3}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec: {nodeName: node2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: other}}
spec: {nodeName: node1, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {selector: {app: other}, ports: [{port: 80}]}
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: the client is seen}
spec:
  from: client
  to: {node: node3, port: 30080}
  expect: {outcome: connected, clientSource: preserved}
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: it connects}
spec: {from: client, to: {node: node3, port: 30080}, expect: {outcome: connected}}
"""
TEST = """
def test_the_client_is_seen(lab):
    cluster = lab("wrong.yaml")
    assert cluster.probe("client", to="node3:30080").client_sources == {"preserved"}


def test_that_asks_nothing(lab):
    lab(nodes=1)
    assert False
"""
SIGNS = """
import pytest

@pytest.mark.parametrize("number", [1, -1])
def test_of(lab, number):
    lab("wrong.yaml").probe("client", "node3:30080")
    assert not number

def test_that_closes_its_lab(lab):
    with lab("wrong.yaml") as cluster:
        cluster.probe("client", "node3:30080")
        assert False
"""


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    (tmp_path / "run").mkdir(mode=0o700)
    found = Labs(tmp_path / "run")
    yield found
    found.run("down", "--all")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "wrong.yaml").write_text(SCENARIO)
    (made / "test_wrong.py").write_text(TEST)
    return made


def run(folder: Path, *words: str, labs: Labs | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**(labs.environment if labs else os.environ), "NO_COLOR": "1"}
    return subprocess.run(
        [PYTEST, "-p", "no:cacheprovider", "-p", "no:xdist", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_failing_check_leaves_a_bundle_and_names_it_and_a_passing_one_none(folder: Path) -> None:
    done = run(folder, "wrong.yaml")

    bundle = folder / "labkit-failures" / "wrong-yaml-the-client-is-seen"
    assert f"bundle: {bundle.relative_to(folder)}/README.md" in done.stdout
    assert [each.name for each in bundle.parent.iterdir() if each.is_dir()] == [bundle.name]
    assert sorted(each.name for each in bundle.iterdir()) == [
        "README.md",
        "conntrack-node2.txt",
        "conntrack-node3.txt",
        "lab.yaml",
        "packets.pcapng",
        "path.json",
        "path.md",
        "path.txt",
        "rules-node2.txt",
        "rules-node3.txt",
        "scenario.yaml",
    ]
    index = (bundle / "README.md").read_text()
    assert "the pod saw 192.168.0.3 (node3)" in index
    assert "and saw 192.168.0.3 (node3) instead of client" in index
    assert "KUBE-SEP-" in (bundle / "path.txt").read_text()
    assert "KUBE-SEP-" in (bundle / "rules-node3.txt").read_text()
    assert "dport=30080" in (bundle / "conntrack-node3.txt").read_text()
    assert (bundle.parent / ".gitignore").read_text() == "*\n"


def test_the_bundles_scenario_is_smaller_and_fails_in_the_same_way(folder: Path) -> None:
    done = run(folder, "wrong.yaml")
    command = next(line for line in done.stdout.splitlines() if line.startswith("again:"))
    words = command.removeprefix("again:").split()

    repeated = subprocess.run(
        [LABKIT, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )

    assert repeated.returncode == 1, repeated.stderr
    assert "expected source preserved, the pod saw 192.168.0.3 (node3)" in repeated.stdout
    objects = list(yaml.safe_load_all((folder / words[2]).read_text()))
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert names == [
        ("Lab", "wrong"),
        ("Pod", "web-1"),
        ("Service", "web"),
        ("Check", "the client is seen"),
    ]
    assert [node["name"] for node in objects[0]["spec"]["nodes"]] == ["node2", "node3"]


def test_a_failing_test_leaves_what_its_lab_was_asked_and_one_that_asked_nothing_leaves_none(
    folder: Path,
) -> None:
    done = run(folder, "test_wrong.py")

    made = [each.name for each in (folder / "labkit-failures").iterdir() if each.is_dir()]
    assert made == ["test-wrong-py-test-the-client-is-seen"]
    command = next(line for line in done.stdout.splitlines() if line.startswith("again:"))
    assert command.split()[1:3] == ["labkit", "trace"]
    repeated = subprocess.run(
        [LABKIT, *command.split()[2:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert repeated.returncode == 0, repeated.stderr
    assert "and saw 192.168.0.3 (node3) instead of client" in repeated.stdout


def test_a_second_run_replaces_its_own_bundle_and_nothing_else(folder: Path) -> None:
    run(folder, "wrong.yaml")
    bundle = folder / "labkit-failures" / "wrong-yaml-the-client-is-seen"
    (bundle / "rules-node9.txt").write_text("old")

    run(folder, "wrong.yaml")

    assert not (bundle / "rules-node9.txt").exists()
    (bundle / "README.md").write_text("mine")

    done = run(folder, "wrong.yaml")

    assert "traced: connected: web-1 answered" in done.stdout
    assert "is there and is no bundle of labkit's" in done.stdout
    assert (bundle / "README.md").read_text() == "mine"


def test_tests_whose_ids_differ_in_signs_have_a_bundle_each(folder: Path) -> None:
    (folder / "test_signs.py").write_text(SIGNS)

    done = run(folder, "test_signs.py", "-k", "test_of")

    bundles = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("bundle: ")}
    assert len(bundles) == 2, done.stdout
    assert all((folder / each).is_file() for each in bundles)


def test_a_test_that_closes_its_lab_itself_is_told_why_there_is_nothing(folder: Path) -> None:
    (folder / "test_signs.py").write_text(SIGNS)

    done = run(folder, "test_signs.py", "-k", "closes")

    assert "a lab that the test has closed itself tells nothing more" in done.stdout
    assert "bundle:" not in done.stdout


def test_bundles_go_where_they_are_told_to_and_nowhere_if_none(folder: Path) -> None:
    run(folder, "wrong.yaml", "--labkit-failures", "out/here")

    assert (folder / "out/here/wrong-yaml-the-client-is-seen/README.md").exists()

    done = run(folder, "wrong.yaml", "--labkit-failures", "none")

    assert "bundle:" not in done.stdout
    assert not (folder / "none").exists()
    assert not (folder / "labkit-failures").exists()


def test_a_failing_fixture_that_asked_a_lab_leaves_a_bundle_too(folder: Path) -> None:
    (folder / "test_fixture.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef seen(lab):\n"
        '    found = lab("wrong.yaml").probe("client", to="node3:30080")\n'
        '    assert found.client_sources == {"preserved"}\n\n'
        "def test_it(seen):\n    pass\n"
    )

    done = run(folder, "test_fixture.py")

    assert "bundle: labkit-failures/test-fixture-py-test-it/README.md" in done.stdout


def test_a_second_lab_that_is_kept_gets_a_name_of_its_own(folder: Path, labs: Labs) -> None:
    for called in ("wrong-yaml-the-client-is-seen", "wrong-yaml-the-client-is-seen-2"):
        done = run(folder, "wrong.yaml", "--labkit-keep", labs=labs)

        assert f"kept:   labkit shell {called};" in done.stdout


def test_keep_leaves_the_lab_up(folder: Path, labs: Labs) -> None:
    done = run(folder, "wrong.yaml", "--labkit-keep", labs=labs)

    assert "kept:   labkit shell wrong-yaml-the-client-is-seen" in done.stdout
    seen = labs.run("probe", "wrong-yaml-the-client-is-seen", "client", "node3:30080")
    assert "web-1" in seen.stdout, seen.stderr
    assert labs.run("down", "wrong-yaml-the-client-is-seen").returncode == 0


def test_the_prompt_opens_in_the_lab_that_failed(folder: Path, labs: Labs, tmp_path: Path) -> None:
    words = ["-p", "no:cacheprovider", "-p", "no:xdist", "wrong.yaml"]
    words += ["--labkit-shell-on-failure", "--labkit-failures", "none"]
    with terminal(tmp_path, [PYTEST, *words], cwd=folder, environment=labs.environment) as it:
        it.wait_for("wrong>")
        it.line("probe client node3:30080")
        it.wait_for("as specified")
        it.line("exit")
        it.wait_for("1 failed, 1 passed")
        assert it.status() == 1


def test_the_prompt_needs_a_terminal_that_workers_have_not(folder: Path) -> None:
    done = subprocess.run(
        [PYTEST, "-n", "2", "--labkit-shell-on-failure", "wrong.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 4
    assert "give -n0" in done.stderr
