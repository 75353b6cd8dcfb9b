"""The prompt of a lab that stays, without a terminal: its lines come from standard input."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, LABKIT, PROGRAMS, ROOT, Labs, labs_in, until

NAME = "nodeport-cluster"
AFFINITY = str(ROOT / "scenarios/session-affinity.yaml")


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        yield mine


def ask(labs: Labs, *lines: str, lab: str = NAME) -> str:
    return labs.ok("shell", lab, stdin="\n".join(lines))


def test_a_host_runs_a_command_and_knows_the_others_by_name(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    assert ask(labs, "client curl -s node2:30080/hostname") == "web-1"
    assert ask(labs, "client curl -s node2:30080/clientip").startswith("192.168.0.2:")
    assert ask(labs, "caller curl -s http://my-nginx.default.svc/hostname | tr a-z A-Z") == "WEB-1"
    assert ask(labs, "node1 pwd") == f"{ROOT}\n"


def test_the_lines_of_a_script_are_not_eaten_by_its_programs(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    assert ask(labs, "client cat", "# a comment", "", "client echo next", "exit", "no verb") == (
        "next\n"
    )


def test_a_verdict_is_a_sentence_with_the_reason(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    said = ask(labs, "probe client node2:30080")

    seen, *why = said.splitlines()
    assert seen == "✔  client → node2:30080: connected; web-1 ×20; 192.168.0.2 = node2"
    assert " ".join(map(str.strip, why)).startswith(
        "as specified: externalTrafficPolicy: Cluster, so node2 sends to any ready endpoint"
    )
    # No route leads to a cluster IP from outside, and no Service has this port.
    assert ask(labs, "probe client my-nginx").startswith("✔  client → my-nginx: timeout\n")
    assert "the specification says nothing" in ask(labs, "probe client node2:30081")


def test_tables_show_what_there_is(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    pods, services, nodes = (
        [line.split() for line in ask(labs, what).splitlines()]
        for what in ("pods", "services", "nodes")
    )

    assert pods[1] == ["web-1", "Ready", "10.244.1.2", "node1", "80/TCP"]
    assert services[1][0:2] + services[1][4:] == [
        "my-nginx",
        "NodePort",
        "80:30080/TCP",
        "web-1:80",
    ]
    assert [line[0:2] for line in nodes[1:]] == [["node1", "192.168.0.1"], ["node2", "192.168.0.2"]]
    assert len(ask(labs, "hosts").splitlines()) == 1 + 1 + 2 + 2


def test_verbs_that_are_commands_do_what_those_do(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    assert ask(labs, "explain client node2:30080") == labs.ok(
        "explain", NAME, "client", "node2:30080"
    )
    assert ask(labs, "rules node1") == labs.ok("rules", NAME, "--node", "node1")
    assert "-A KUBE-NODEPORTS" in ask(labs, "rules node1")
    assert "3 checks: 3 passed" in ask(labs, "check")
    assert "192.168.0.2:30080" in ask(labs, "matrix --from client --attempts 1")
    assert "node2" in ask(labs, "trace client node2:30080")


@pytest.mark.parametrize(
    "command",
    [
        ["explain", NAME, "client", "node2:30080", "--dataplane", "ipvs"],
        ["rules", NAME, "--dataplane", "ipvs"],
        ["matrix", NAME, "--dataplane", "ipvs"],
    ],
    ids=lambda command: command[0],
)
def test_a_lab_that_is_up_cannot_be_built_otherwise(labs: Labs, command: list[str]) -> None:
    labs.ok("up", CLUSTER)
    refused = labs.run(*command)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"labkit: --dataplane is for building, and lab {NAME} is up; give its file instead\n"
    )


def test_conntrack_shows_what_a_node_has_translated(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    said = ask(labs, "client curl -s node2:30080/hostname", "conntrack node2")

    assert re.search(
        r"src=192\.168\.0\.100 dst=192\.168\.0\.2 .*dport=30080 src=10\.244\.1\.2", said
    )


def test_kill_ends_a_pod_and_the_rules_follow(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    said = ask(labs, "kill web-1", "probe client node2:30080", f"apply {CLUSTER}", "pods")

    assert said.startswith("Pod/web-1 deleted\n✔  client → node2:30080: refused\n")
    assert "web-1" in said.partition("NAME")[2]


def test_a_replica_is_not_killed_as_it_would_come_again(labs: Labs, tmp_path: Path) -> None:
    scenario = tmp_path / "replicas.yaml"
    scenario.write_text(
        """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: replicas}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{containerPort: 80}]}]}
"""
    )
    labs.ok("up", str(scenario))

    refused = labs.run("shell", "replicas", stdin="kill web-1")

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0] == (
        "labkit: pod web-1 is a replica of Deployment/web, which would make it again; apply that "
        "with fewer replicas, or delete Deployment/web"
    )


def test_a_script_stops_at_the_first_line_that_fails(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    lines = "client sh -c 'exit 7'\nclient false\nclient echo done\n"

    stopped = labs.run("shell", NAME, stdin=lines)
    gone_on = labs.run("shell", NAME, "--keep-going", stdin=lines)

    assert (stopped.returncode, stopped.stdout) == (7, "")
    assert stopped.stderr == (
        "labkit: line 1 ended with 7: client sh -c 'exit 7'; --keep-going does the others, too\n"
    )
    assert (gone_on.returncode, gone_on.stdout) == (7, "done\n")
    assert [line.partition(":")[2][:14] for line in gone_on.stderr.splitlines()] == [
        " line 1 ended ",
        " line 2 ended ",
    ]


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("prob client node1", 2, "prob is no verb and no host; did you mean probe?"),
        ("clint ls", 2, "clint is no verb and no host; did you mean client?"),
        ("probe clint node1:30080", 2, "host clint does not exist in this lab; did you mean cli"),
        ("probe client nod1:30080", 2, "target nod1 does not exist in this lab; did you mean nod"),
        ("rules nod1", 2, "node nod1 does not exist in this lab; did you mean node1?"),
        ("conntrack nod1", 2, f"host nod1 is not in lab {NAME}; did you mean node1?"),
        ("kill web", 2, "there is no Pod web in this scenario; did you mean web-1?"),
        ("delete pod", 2, "'pod' is no KIND/NAME; write pod/web-1"),
        ("logs web", 2, f"no pod web is in lab {NAME}; did you mean web-1?"),
        ("apply no.yaml", 2, "no.yaml:1:1: cannot be read: No such file or directory; give a sce"),
        ("help prob", 2, "there is no verb prob; did you mean probe?"),
        ("pods web-1", 2, "pods takes no arguments, found web-1; help pods"),
        ("matrix --form client", 2, "No such option '--form'"),
        ("probe client", 2, "Missing argument 'TO'."),
        ("client", 2, "say what to run on client: client COMMAND"),
        (
            "client no-such-program",
            127,
            "no-such-program is no program of this machine; install it, or give its path",
        ),
        ("save here", 2, "say where to: save FILE.yaml for a scenario, save FILE.py for pytest"),
        ("save no-such-folder/x.yaml", 1, "x.yaml: No such file or directory; name another file"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_with_what_to_do(
    labs: Labs, line: str, status: int, says: str
) -> None:
    labs.ok("up", CLUSTER)

    done = labs.run("shell", NAME, stdin=line)

    assert done.returncode == status, done.stderr
    assert says in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) == 2  # and that the script has ended there
    assert "Traceback" not in done.stderr


def test_a_machine_without_curl_says_how_to_get_it(labs: Labs, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    labs.ok("up", CLUSTER)
    environment = {**labs.environment, "PATH": str(tools)}
    if any(
        (Path(folder) / "curl").exists() for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin")
    ):
        pytest.skip("curl is where programs for root are")

    done = subprocess.run(
        [LABKIT, "shell", NAME],
        env=environment,
        input="client curl node2:30080",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 127
    assert done.stderr.splitlines()[0] == (
        "labkit: curl is no program of this machine; apt-get install curl"
    )


def test_a_line_of_another_encoding_is_a_line(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    done = subprocess.run(
        [LABKIT, "shell", NAME],
        env=labs.environment,
        input=b"client printf %s \xe9\nhistory\n\xe9\n",
        capture_output=True,
        check=False,
    )
    assert done.stdout.startswith(b"\xe9   1  client printf")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2


def test_help_and_history(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    assert ask(labs, "history", "  pods  ", "history").endswith(
        "   1  history\n   2  pods\n   3  history\n"
    )
    overview = ask(labs, "help")
    for verb in ("probe", "matrix", "rules", "kill", "save", "trace", "exit"):
        assert re.search(rf"^{verb}\b", overview, re.MULTILINE)
    assert "--attempts" in ask(labs, "help probe")
    assert ask(labs, "probe --help") == ask(labs, "help probe")


def session(
    labs: Labs, file: Path, *lines: str, lab: str = NAME
) -> subprocess.CompletedProcess[str]:
    done = labs.run("shell", lab, "--keep-going", stdin="\n".join([*lines, f"save {file}"]))
    assert file.exists(), done.stderr
    return done


def passes(labs: Labs, file: Path, count: int) -> None:
    """The file passes, and asks for ``count`` things."""
    if file.suffix == ".py":
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
            cwd=file.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"{count} passed" in done.stdout, done.stdout
    else:
        assert f"{count} passed" in labs.ok("run", str(file))


@pytest.mark.parametrize("suffix", ["yaml", "py"])
def test_a_saved_session_passes(labs: Labs, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"saved_test.{suffix}"
    labs.ok("up", CLUSTER, "--dataplane", "nftables")
    session(
        labs,
        file,
        "client curl -s node2:30080/clientip",
        "client curl -s http://192.168.0.2:30080 | wc -c",  # the same flow
        "client curl -sm 1 my-nginx",
        "probe client node1:30080 --attempts 1",
        "probe caller 10.244.1.2:80",
        "probe client node2:30099",
        "client curl -s unknown.example",
    )

    text = file.read_text()
    assert "nftables" in text
    assert "10.244.1.2" not in text  # a pod is named
    passes(labs, file, 5)


def test_what_is_saved_is_the_lab_as_it_is_now(labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "saved.yaml"
    labs.ok("up", CLUSTER)

    done = session(labs, file, "client curl -s node2:30080/hostname", "kill web-1")

    assert "client to node2:30080 was connected and is refused now: that is what is saved" in (
        done.stderr
    )
    passes(labs, file, 1)


def test_a_lab_with_rules_of_a_real_node_is_saved_with_a_word_about_them(
    labs: Labs, tmp_path: Path
) -> None:
    dump, file = tmp_path / "node2.txt", tmp_path / "saved.yaml"
    # Without the rule that masquerades: the pod's answer comes from a stranger.
    rules = labs.ok("rules", CLUSTER, "--node", "node2")
    dump.write_text("\n".join(each for each in rules.splitlines() if "-j MASQUERADE" not in each))
    labs.ok("up", CLUSTER, "--rules", f"node2={dump}")

    done = session(labs, file, "probe client node2:30080")

    assert "✘  client → node2:30080: timeout" in done.stdout
    assert f"node2: {dump}); run {file} with the options that labkit up was given" in done.stderr
    assert "1 passed" in labs.ok("run", str(file), "--rules", f"node2={dump}")


def test_a_session_with_affinity_passes_again_and_again(labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "saved.yaml"
    labs.ok("up", AFFINITY)
    (service,) = [
        line.split()[0] for line in ask(labs, "services", lab="session-affinity").splitlines()[1:2]
    ]
    (node,) = [
        line.split()[0] for line in ask(labs, "nodes", lab="session-affinity").splitlines()[1:2]
    ]

    session(labs, file, f"probe {node} {service}", lab="session-affinity")

    for _ in range(3):
        passes(labs, file, 1)


def test_a_file_is_written_over_only_if_that_is_asked_for(labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "saved.yaml"
    file.write_text("mine")
    labs.ok("up", CLUSTER)

    refused = labs.run("shell", NAME, stdin=f"save {file}")
    assert refused.returncode == 2
    assert f"{file} is there already; save {file} --force writes over it" in refused.stderr
    assert file.read_text() == "mine"
    ask(labs, f"save {file} --force")
    assert "kind: Lab" in file.read_text()


def test_a_lab_that_goes_ends_the_script(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    script = subprocess.Popen(
        [LABKIT, "shell", NAME],
        cwd=ROOT,
        env=labs.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdin
    assert script.stdout
    script.stdin.write("client sh -c 'echo ready; exec sleep 1000'\nclient echo next\n")
    script.stdin.flush()
    assert script.stdout.readline() == "ready\n"

    os.kill(labs.holder(NAME), signal.SIGKILL)

    said, errors = script.communicate(timeout=15)
    assert said == ""
    assert script.returncode == 128 + signal.SIGHUP
    assert "line 1 ended with 129" in errors
    until(lambda: labs.run("ps").stdout.startswith("no lab runs"), what="the lab is listed")


def test_two_prompts_on_one_lab_see_each_others_changes(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    first, second = (
        subprocess.Popen(
            [LABKIT, "shell", NAME],
            cwd=ROOT,
            env=labs.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    )

    def tell(prompt: subprocess.Popen[str], line: str) -> str:
        assert prompt.stdin
        assert prompt.stdout
        prompt.stdin.write(f"{line}\nclient echo\n")
        prompt.stdin.flush()
        return "".join(iter(prompt.stdout.readline, "\n"))

    assert "web-1" in tell(second, "pods")
    assert tell(first, "kill web-1") == "Pod/web-1 deleted\n"
    assert "web-1" not in tell(second, "pods")
    assert first.communicate(timeout=15)[0] == second.communicate(timeout=15)[0] == ""
    assert (first.returncode, second.returncode) == (0, 0)


def test_programs_in_pods_are_logged(labs: Labs, tmp_path: Path) -> None:
    scenario = tmp_path / "programs.yaml"
    scenario.write_text(PROGRAMS)
    labs.ok("up", str(scenario))

    assert "hello from web-1" in ask(labs, "logs web-1", lab="programs")
