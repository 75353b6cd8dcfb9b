"""What the nftables data plane makes of nft's answers."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import pytest

from labkit.dataplane import data_plane
from labkit.dataplane.base import Change
from labkit.dataplane.nftables import apply
from labkit.dataplane.nftables.apply import NftablesPlane
from labkit.dataplane.nftables.changes import replacement, transaction
from labkit.dataplane.nftables.render import render
from labkit.errors import CommandError, KernelError, MissingFeature
from labkit.kernel import nf_tables
from labkit.kernel.netlink import Request
from labkit.kernel.netns import Namespace
from labkit.kernel.together import Tool
from tests.unit.dataplane.clusters import NODE1, WEB, cluster

BUSY = "/dev/stdin:9:1-60: Error: Could not process rule: Device or resource busy"
EMPTY, WITH_WEB = (render(cluster(*services), NODE1) for services in ((), (WEB,)))


class Named(NamedTuple):
    """As much of a namespace as a message needs."""

    name: str


HERE = cast("Namespace", Named("node1"))
THERE = cast("Namespace", Named("node2"))
Answer = Callable[[Tool], str]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[Tool]]:
    """Answer for nft with its message, or "" where it takes the text; returns what was run.

    The kernel is slow to let go of chains: it leaves changes of Service ports to nft.
    """

    def make(answer: Answer) -> list[Tool]:
        tools: list[Tool] = []

        def run(some: Sequence[Tool]) -> list[CommandError]:
            tools.extend(some)
            messages = [(tool, answer(tool)) for tool in some]
            return [
                CommandError(tool.argv, where=tool.namespace.name, returncode=1, stderr=said)
                for tool, said in messages
                if said
            ]

        def is_busy(namespace: Namespace, requests: Sequence[Request]) -> None:
            if requests:
                raise KernelError(namespace.name, errno=errno.EBUSY, message=BUSY)

        monkeypatch.setattr(apply, "run_together", run)
        monkeypatch.setattr(nf_tables, "commit", is_busy)
        return tools

    return make


def test_the_first_time_a_node_gets_everything(ran: Callable[[Answer], list[Tool]]) -> None:
    tools = ran(lambda _: "")

    NftablesPlane().apply([Change(HERE, WITH_WEB, None)])

    assert [tool.argv for tool in tools] == [("nft", "-f", "-")]
    assert tools[0].stdin.endswith(WITH_WEB.text())


def test_a_node_whose_rules_stay_gets_nothing(ran: Callable[[Answer], list[Tool]]) -> None:
    tools = ran(lambda _: "")

    NftablesPlane().apply([Change(HERE, WITH_WEB, WITH_WEB), Change(THERE, EMPTY, WITH_WEB)])

    assert [tool.namespace.name for tool in tools] == ["node2"]


def test_a_kernel_that_is_slow_to_let_go_gets_whole_tables(
    ran: Callable[[Answer], list[Tool]],
) -> None:
    def answer(tool: Tool) -> str:
        return BUSY if tool.namespace == HERE and "delete chain" in tool.stdin else ""

    tools = ran(answer)

    NftablesPlane().apply([Change(HERE, EMPTY, WITH_WEB), Change(THERE, EMPTY, WITH_WEB)])

    assert [(tool.namespace.name, tool.stdin) for tool in tools] == [
        ("node1", transaction(WITH_WEB, EMPTY)),
        ("node2", transaction(WITH_WEB, EMPTY)),
        ("node1", replacement(WITH_WEB, EMPTY)),
    ]


@pytest.mark.parametrize("said", [BUSY, "/dev/stdin:1:1-3: Error: syntax error"])
def test_a_refusal_is_told(ran: Callable[[Answer], list[Tool]], said: str) -> None:
    ran(lambda tool: said if tool.namespace == THERE else "")

    with pytest.raises(CommandError) as refusal:
        NftablesPlane().apply([Change(HERE, EMPTY, WITH_WEB), Change(THERE, EMPTY, WITH_WEB)])

    assert refusal.value.where == "node2"
    assert refusal.value.stderr == said


def test_without_nft_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "which", lambda _: None)

    with pytest.raises(MissingFeature, match=r"nft is not on PATH; apt-get install nftables"):
        NftablesPlane().fitted(HERE)


def test_the_labs_word_gives_this_data_plane_and_no_sysctl() -> None:
    plane = data_plane("nftables")

    assert (plane.name, plane.needs) == ("nftables", ("nftables",))
    assert plane.sysctls(cluster(WEB)) == {}
    assert plane.render(cluster(WEB), NODE1) == WITH_WEB
