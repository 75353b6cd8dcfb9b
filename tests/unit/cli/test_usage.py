"""A wrong command line is one line that says what to do; help begins with an example."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from labkit.cli import COMMANDS, cli
from labkit.cli.ending import run_to_status
from labkit.cli.usage import example_first

SCENARIOS = Path(__file__).parents[3] / "scenarios"


def shown_help(name: str) -> str:
    done = CliRunner().invoke(cli, [name, "--help"], prog_name="labkit", terminal_width=200)
    assert done.exit_code == 0
    return done.output


def examples(name: str) -> list[str]:
    """The lines of a command's help between the usage and the first empty line after."""
    _usage, text = shown_help(name).split("\n\n", 1)
    return [line.strip() for line in text.split("\n\n")[0].splitlines()]


def command_line(line: str) -> list[str]:
    """The words after labkit, in a pipe, before a file, or in a substitution of a shell."""
    _before, _labkit, after = line.rpartition("labkit ")
    return shlex.split(re.split(r"\)| >", after)[0], comments=True)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("run", "--dataplan", "x"),
            "there is no option --dataplan; did you mean --dataplane?; see labkit run --help",
        ),
        (("ps", "--colour"), "there is no option --colour; see labkit ps --help"),
        (("run",), "PATHS... is missing; give labkit run [OPTIONS] PATHS..."),
        (
            ("explain", "a"),
            "FROM is missing; give labkit explain [OPTIONS] FILE|NAME FROM TO",
        ),
        (
            ("explain", "a", "b", "c", "--protocol", "utp"),
            (
                "--protocol 'utp' does not exist; did you mean UDP? there are: TCP, UDP, SCTP; "
                "see labkit explain --help"
            ),
        ),
        (
            ("run", "x", "--kernel", "umm"),
            (
                "--kernel 'umm' does not exist; did you mean uml? there are: auto, host, uml, "
                "qemu; see labkit run --help"
            ),
        ),
        (
            ("run", "x", "-o", "tabel"),
            (
                "--output: 'tabel' is no format; there are: table, markdown, json, junit, html; "
                "see labkit run --help"
            ),
        ),
        (
            ("run", "x", "--seed", "y"),
            "--seed: 'y' is not a valid integer; see labkit run --help",
        ),
        (("runn",), "no command 'runn'; did you mean run?; see labkit --help"),
        (
            ("rules", str(SCENARIOS / "hairpin.yaml"), "--node", "nod1"),
            "node nod1 does not exist in this lab; did you mean node1? there are: node1, node2",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    words: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_status(cli, words) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"labkit: {line}\n")


def test_a_file_that_is_not_there_is_told_with_the_one_that_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_to_status(cli, ["graph", str(SCENARIOS / "hairpn.yaml")]) == 2
    assert capsys.readouterr().err == (
        f"{SCENARIOS}/hairpn.yaml:1:1: cannot be read: No such file or directory; "
        f"did you mean {SCENARIOS}/hairpin.yaml?\n"
    )


def test_who_gives_no_word_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    run_to_status(cli, [])
    shown = "".join(capsys.readouterr())
    assert shown.startswith("Usage: labkit [OPTIONS] COMMAND [ARGS]...\n\n  labkit init labs ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_examples_of_the_command(name: str) -> None:
    first, *others = map(command_line, examples(name))
    assert first[0] == name
    assert all(others)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_in_help_is_a_command_line_that_is_understood(name: str) -> None:
    for line in examples(name):
        shown, *arguments = command_line(line)
        command = cli.get_command(click.Context(cli), shown)
        assert command is not None
        assert command.make_context(shown, arguments).command is command


def test_examples_go_before_all_else() -> None:
    assert example_first("What it does.\n\nMore.\n\n\b\nlabkit x\n\nEnd.") == (
        "\b\nlabkit x\n\nWhat it does.\n\nMore.\n\nEnd."
    )
