"""The verdict on one flow."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labkit.manifest.kinds import Target
from labkit.probe.flow import Outcome
from labkit.probe.table import Expected, flow_row
from labkit.report import render_flow
from tests.unit.report.examples import seen

ROW = flow_row(seen(backends={"web-1": 20}, sources={"192.168.0.2": 20}, words=["node2"]))
TO = Target(node="node2", port=30080)
EXPECTED = Expected(
    outcome=Outcome.CONNECTED,
    backends=("web-1", "web-2"),
    client_sources=("node2",),
    why="the Service says so",
)
WAY = "client → node2:30080: connected; web-1 ×20; 192.168.0.2 = node2"


@pytest.mark.parametrize(
    ("expected", "agrees", "text"),
    [
        (EXPECTED, True, f"✔  {WAY}\n   as specified: the Service says so\n"),
        (
            EXPECTED,
            False,
            (
                f"✘  {WAY}\n   not as specified: expected connected by web-1, web-2, source node2:"
                " the Service says so\n"
            ),
        ),
        (
            None,
            None,
            f"?  {WAY}\n   the specification says nothing of it: it is no address of a Service\n",
        ),
    ],
    ids=["as specified", "otherwise", "nothing is specified"],
)
def test_a_flow_is_told_with_the_reason(
    expected: Expected | None,
    agrees: bool | None,  # noqa: FBT001 - a parameter of the test
    text: str,
) -> None:
    assert render_flow(replace(ROW, expected=expected, agrees=agrees), TO) == text


def test_a_poor_terminal_gets_ascii_and_a_rich_one_colours() -> None:
    row = replace(ROW, expected=EXPECTED, agrees=True)
    assert render_flow(row, TO, unicode=False).startswith(
        "ok  client -> node2:30080: connected; web-1 x20"
    )
    assert render_flow(row, TO, color=True).startswith("\x1b[32m✔\x1b[0m  client")
