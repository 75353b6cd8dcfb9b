"""The prompt of a lab that stays, on a real terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, LABKIT, ROOT, Labs, labs_in
from tests.lab.terminal import WIDTH, Terminal, terminal

NAME = "nodeport-cluster"
PROMPT = f"{NAME}>"
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        mine.ok("up", CLUSTER)
        yield mine


SHELL_PROMPT = "in the shell:"
SHELL = "#!/bin/sh\nexec bash --norc --noprofile\n"
"""One that asks nobody's files how to greet."""


def prompt(labs: Labs, folder: Path) -> AbstractContextManager[Terminal]:
    shell = folder / "shell"
    shell.write_text(SHELL)
    shell.chmod(0o755)
    own = ["env", f"SHELL={shell}", f"PS1={SHELL_PROMPT} "]
    return terminal(folder, [*own, LABKIT, "shell", NAME], cwd=ROOT, environment=labs.environment)


@pytest.fixture
def screen(labs: Labs, tmp_path: Path) -> Iterator[Terminal]:
    with prompt(labs, tmp_path) as opened:
        opened.wait_for(PROMPT)
        yield opened


def test_tab_completes_verbs_hosts_targets_and_programs(screen: Terminal) -> None:
    screen.write("prob")
    screen.keys("Tab")
    screen.wait_for(f"{PROMPT} probe")
    screen.write(" cl")
    screen.keys("Tab")
    screen.wait_for(f"{PROMPT} probe client")
    screen.write(" node2:")
    screen.keys("Tab")
    screen.wait_for(f"{PROMPT} probe client node2:30080")
    screen.keys("Enter")
    screen.wait_for("client → node2:30080: connected; web-1 ×20")

    screen.write("kill ")
    screen.keys("Tab", "Tab")
    screen.wait_for("caller")
    screen.keys("C-c")
    screen.write("client getent aho")
    screen.keys("C-c")
    screen.write("client geten")
    screen.keys("Tab")
    screen.wait_for(f"{PROMPT} client getent", after=1)


def test_up_brings_the_last_line_back(screen: Terminal) -> None:
    screen.line("node1 echo one")
    screen.wait_for("\none\n")
    screen.keys("Up", "Enter")
    screen.wait_for("\none\n", after=1)
    screen.line("history")
    screen.wait_for("   2  node1 echo one")


@pytest.mark.parametrize("printed", ["x" * 7, "x" * (WIDTH - 1), "x" * WIDTH, "x" * (WIDTH + 7)])
def test_the_prompt_has_a_line_of_its_own(screen: Terminal, printed: str) -> None:
    screen.line(f"client printf {printed}")
    screen.wait_for(PROMPT, after=1)
    last, prompt_line = [row for row in screen.rows() if row][-2:]
    assert last == "x" * ((len(printed) - 1) % WIDTH + 1)
    assert prompt_line == PROMPT


def test_nothing_stands_between_whole_lines_and_the_prompt(screen: Terminal) -> None:
    screen.line("client echo whole")
    screen.wait_for(PROMPT, after=1)
    assert screen.rows()[-3:] == [f"{PROMPT} client echo whole", "whole", PROMPT]


def test_ctrl_c_ends_the_command_and_not_the_prompt(screen: Terminal) -> None:
    screen.line("client sh -c 'echo started; sleep 1000; echo went on'")
    screen.wait_for("\nstarted\n")
    screen.keys("C-c")
    screen.wait_for(PROMPT, after=1)
    screen.line("client echo still there")
    screen.wait_for("\nstill there\n")
    assert "\nwent on\n" not in screen.screen()


def test_ctrl_c_ends_a_verb_and_not_the_prompt(screen: Terminal) -> None:
    screen.line("matrix")
    screen.wait_for(f" {NAME}")  # the sign of progress, behind its wheel
    screen.keys("C-c")
    screen.wait_for(PROMPT, after=1)
    screen.line("pods")
    assert "flows:" not in screen.wait_for("caller")


def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(screen: Terminal, labs: Labs) -> None:
    screen.write("kill web-1")
    screen.keys("C-c")
    screen.wait_for(PROMPT, after=1)
    screen.keys("C-d")
    assert screen.status() == 0
    assert "web-1" in labs.ok("shell", NAME, stdin="pods")


def test_ctrl_z_does_not_leave_a_command_behind(screen: Terminal) -> None:
    screen.line("client sh -c 'echo started; read line; echo got $line'")
    screen.wait_for("\nstarted\n")
    screen.keys("C-z")
    screen.line("it")
    screen.wait_for("\ngot it\n")


def test_a_host_alone_is_a_shell_and_the_terminal_comes_back(screen: Terminal) -> None:
    screen.line("node2")
    screen.wait_for(SHELL_PROMPT)
    screen.line("echo in $(ip -brief address show eth0 | tr -s ' ' | cut -d' ' -f3)")
    screen.wait_for("\nin 192.168.0.2/24\n")
    screen.line("stty -echo; exit 3")
    screen.wait_for(PROMPT, after=1)
    screen.line("node1 stty -a")
    assert "-echo " not in screen.wait_for("echoe").partition("speed")[2]


def test_the_status_is_that_of_the_last_line(screen: Terminal) -> None:
    screen.line("client sh -c 'exit 7'")
    screen.wait_for(PROMPT, after=1)
    screen.line("exit")
    assert screen.status() == 7


def test_the_prompt_ends_when_the_lab_does(screen: Terminal, labs: Labs) -> None:
    screen.write("probe cli")
    screen.wait_for("probe cli")
    os.kill(labs.holder(NAME), signal.SIGKILL)
    assert screen.status() == 1
    screen.wait_for(f"labkit: lab {NAME} has ended; build it again with labkit up")


def test_the_prompt_ends_when_the_lab_does_during_a_command(screen: Terminal, labs: Labs) -> None:
    screen.line("client sh -c 'echo started; sleep 1000 | sleep 1000'")
    screen.wait_for("\nstarted\n")
    labs.ok("down", NAME)
    assert screen.status() == 1
    screen.wait_for("has ended")


def test_a_shell_that_is_hung_up_on_gives_the_terminal_back(screen: Terminal, labs: Labs) -> None:
    screen.line("node1")
    screen.wait_for(SHELL_PROMPT)
    # What prints is what runs then: a shell that has yet to start it may be hung up on before.
    screen.line("stty raw -echo; sh -c 'echo started; exec sleep 1000'")
    screen.wait_for("started", after=1)
    os.kill(labs.holder(NAME), signal.SIGKILL)
    assert screen.status() == 1
    # What the prompt says last is in whole lines again.
    screen.wait_for(f"\nlabkit: lab {NAME} has ended")


def test_an_unknown_word_is_told_with_what_was_likely_meant(screen: Terminal) -> None:
    screen.line("matrx")
    screen.wait_for("matrx is no verb and no host; did you mean matrix?")
    screen.line("help probe")
    screen.wait_for("probe FROM TO [--attempts N]")


def test_two_prompts_on_one_lab(screen: Terminal, labs: Labs, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with prompt(labs, other) as second:
        second.wait_for(PROMPT)
        second.line("kill web-1")
        second.wait_for("Pod/web-1 deleted")
        screen.line("probe client node2:30080")
        screen.wait_for("node2:30080: refused")
        second.keys("C-d")
        assert second.status() == 0
    screen.line("pods")
    screen.wait_for("caller")
