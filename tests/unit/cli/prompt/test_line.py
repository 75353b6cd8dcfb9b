"""What a line of the prompt asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.cli.prompt.curl import targets
from labkit.cli.prompt.line import Asked, OnHost, first_command, program, read
from labkit.cli.prompt.offers import Known, Machine, offers
from labkit.errors import UsageError

HOSTS = ("client", "node1", "shop/web-1")


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("", None),
        ("   ", None),
        ("# client curl node1", None),
        ("pods", Asked(verb="pods", words=[])),
        ("  probe client  node1:30080 ", Asked(verb="probe", words=["client", "node1:30080"])),
        ("apply 'two words.yaml'", Asked(verb="apply", words=["two words.yaml"])),
        ("node1", OnHost(host="node1", text="")),
        ("client curl -s node1", OnHost(host="client", text="curl -s node1")),
        ("shop/web-1 echo 'a  b' | cat", OnHost(host="shop/web-1", text="echo 'a  b' | cat")),
    ],
)
def test_a_line_is_a_verb_or_a_host_or_nothing(line: str, asked: Asked | OnHost | None) -> None:
    assert read(line, HOSTS) == asked


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("prob client node1", "prob is no verb and no host; did you mean probe?"),
        ("nod1 ls", "nod1 is no verb and no host; did you mean node1?"),
        ("quarantine", "quarantine is no verb and no host; there are: probe, matrix"),
        ("apply 'a.yaml", "'a.yaml: no closing quotation; close it"),
    ],
)
def test_what_is_neither_is_told_with_what_was_likely_meant(line: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(line, HOSTS)

    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("curl -s node1:30080", ["curl", "-s", "node1:30080"]),
        ("echo 'a  b' \"c\"", ["echo", "a  b", "c"]),
        ("cat a | wc -l", ["/bin/sh", "-c", "cat a | wc -l"]),
        ("echo $HOME", ["/bin/sh", "-c", "echo $HOME"]),
        ("ls *.yaml", ["/bin/sh", "-c", "ls *.yaml"]),
        ("true && echo yes > file", ["/bin/sh", "-c", "true && echo yes > file"]),
    ],
)
def test_a_command_gets_a_shell_where_it_needs_one(text: str, argv: list[str]) -> None:
    assert list(program(text)) == argv


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("curl -s node1|wc -l", ["curl", "-s", "node1"]),
        ("curl 'http://node1/?a=1&b=2' && ls", ["curl", "http://node1/?a=1&b=2"]),
        ("curl node1>file", ["curl", "node1"]),
        ("curl 'node1", []),
        ("", []),
    ],
)
def test_the_first_command_of_a_shells_line(text: str, words: list[str]) -> None:
    assert list(first_command(text)) == words


def refusal(line: str) -> str:
    """Why a line is refused; nothing if it is not."""
    try:
        asked = read(line, HOSTS)
        if isinstance(asked, OnHost):
            program(asked.text)
    except UsageError as error:
        return str(error)
    return ""


@given(st.text(), st.sampled_from(["", "client ", "probe ", "save ", "client curl "]))
def test_any_line_is_read_or_refused_in_one_line(text: str, first: str) -> None:
    line = first + text
    assert len(refusal(line).splitlines()) <= 1
    offers(line, Known(clients=HOSTS), Machine())
    targets(first_command(text))
