"""What Tab offers."""

from __future__ import annotations

import pytest

from labkit.cli.prompt.offers import Known, Machine, begun_in, offers

KNOWN = Known(
    nodes=["node1", "node2"],
    clients=["client"],
    pods=["web-1", "web-2"],
    targets=["web:http", "node1:30080", "node2:30080"],
    objects=["pod/web-1", "service/web"],
)
FILES = ("labs/", "labs/one.yaml", "lesson.yaml")
MACHINE = Machine(
    programs=lambda: ["curl", "cut", "ip"],
    files=lambda begun: [each for each in FILES if each.startswith(begun)],
)


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("cl", ["client"]),
        ("no", ["node1", "node2", "nodes"]),
        ("pr", ["probe"]),
        ("probe ", ["client", "node1", "node2", "web-1", "web-2"]),
        ("probe client no", ["node1:30080", "node2:30080"]),
        ("probe client node2:30080 --a", ["--attempts"]),
        ("probe client node2:30080 ", []),
        ("probe --attempts ", []),
        ("rules no", ["node1", "node2"]),
        ("rules node1 no", ["node1", "node2"]),
        ("conntrack cl", []),
        ("kill web", ["web-1", "web-2"]),
        ("kill web-1 web", ["web-1", "web-2"]),
        ("logs web", ["web-1", "web-2"]),
        ("logs web-1 ", []),
        ("delete s", ["service/web"]),
        ("apply la", ["labs/", "labs/one.yaml"]),
        ("help ma", ["matrix"]),
        ("matrix --f", ["--from"]),
        ("matrix --from no", ["node1", "node2"]),
        ("matrix --from client,no", ["client,node1", "client,node2"]),
        ("client cu", ["curl", "cut"]),
        ("client curl node2", ["node2:30080"]),
        ("client cat le", ["lesson.yaml"]),
        ("client ./la", []),
        ("nobody no", []),
    ],
)
def test_a_begun_line_is_offered(before: str, offered: list[str]) -> None:
    assert [offer.word for offer in offers(before, KNOWN, MACHINE)] == offered


def test_an_empty_line_is_offered_every_host_and_verb_with_what_it_does() -> None:
    found = {offer.word: offer.says for offer in offers("", KNOWN, MACHINE)}

    assert {"client", "node1", "web-2", "probe", "save", "exit"} <= found.keys()
    assert all(found.values())


def test_what_is_begun_is_the_last_word() -> None:
    assert [begun_in(line) for line in ("", "pro", "probe ", "probe cl")] == ["", "pro", "", "cl"]
