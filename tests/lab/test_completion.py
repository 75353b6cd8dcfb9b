"""What a shell completes of a labkit command line."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, LABKIT, ROOT, Labs, labs_in

NAME = "nodeport-cluster"
BASH = """
eval "$(labkit completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_labkit_completion labkit
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""The function that bash calls at Tab, as bash calls it (bash(1), Programmable Completion)."""
ZSH = """
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'autoload -Uz compinit; compinit -u -D; eval "$(labkit completion zsh)"; echo rea"dy"'
zpty -r inner said '*ready*'
zpty -w -n inner "$1"$'\\t'
zpty -r inner said "*$2*" && echo completed
"""


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        mine.ok("up", CLUSTER)
        yield mine


def shell(labs: Labs, argv: Sequence[str]) -> str:
    environment = {**labs.environment, "PATH": f"{Path(LABKIT).parent}:{labs.environment['PATH']}"}
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert done.stderr == ""
    return done.stdout


def by_bash(labs: Labs, line: str) -> list[str]:
    """What bash offers for the last word of a line, which may be empty."""
    words = line.split(" ")
    return shell(labs, ["bash", "--norc", "-c", BASH, "bash", *words]).split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("labkit sh", ["shell"]),
        ("labkit down ", [NAME]),
        ("labkit shell no", [NAME]),
        (f"labkit shell {NAME} n", ["node1", "node2"]),
        (f"labkit exec {NAME} ", ["client", "node1", "node2", "web-1", "caller"]),
        (f"labkit exec {NAME} node1 -- iptables-legacy-rest", ["iptables-legacy-restore"]),
        (f"labkit probe {NAME} client node2", ["node2:30080"]),
        (f"labkit probe {NAME} client my", ["my-nginx:http"]),
        (f"labkit matrix {NAME} --from client,no", ["client,node1", "client,node2"]),
        (f"labkit rules {NAME} --node n", ["node1", "node2"]),
        (f"labkit logs {NAME} w", ["web-1"]),
        (f"labkit delete {NAME} s", ["service/my-nginx"]),
        ("labkit explain scenarios/nodeport-local.yaml cl", ["client"]),
        ("labkit explain scenarios/nodeport-local.yaml client node1", ["node1:30081"]),
        ("labkit run scenarios/udp.yaml --dataplane iptables,nf", ["iptables,nftables"]),
        ("labkit run scenarios/udp.yaml -o m", ["markdown"]),
        ("labkit probe no-such-lab ", []),
        ("labkit explain no-such-file.yaml ", []),
        ("labkit completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_bash_completes(labs: Labs, line: str, offered: list[str]) -> None:
    assert by_bash(labs, line) == offered


def test_zsh_completes(labs: Labs) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed; apt-get install zsh")
    line, end = f"labkit exec {NAME} cal", "caller"
    assert shell(labs, ["zsh", "-f", "-c", ZSH, "zsh", line, end]).split()[-1] == "completed"


def test_fish_completes(labs: Labs) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed; apt-get install fish")
    line = shlex.quote(f"labkit exec {NAME} n")
    script = f"labkit completion fish | source; complete -C {line}"
    assert shell(labs, ["fish", "--no-config", "-c", script]).split() == ["node1", "node2"]


def test_a_holder_that_hangs_does_not_hang_the_shell(labs: Labs) -> None:
    holder = str(labs.holder(NAME))
    subprocess.run(["kill", "-STOP", holder], check=True)
    try:
        assert by_bash(labs, f"labkit exec {NAME} ") == []
    finally:
        subprocess.run(["kill", "-CONT", holder], check=True)
