from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import msgspec
import pytest

from labkit.errors import UsageError
from labkit.manifest.kinds import Expect
from labkit.probe.flow import Outcome, Via
from labkit.probe.table import Expected, FlowTable, HealthStatus
from labkit.probe.verdict import Context, Reply, Sender, judge
from labkit.report import render_check, render_results, render_tables
from tests.unit.report.examples import (
    CLUSTER_IP,
    DNS,
    NODE_PORT,
    failing,
    located,
    masqueraded,
    passing,
    result,
    seen,
    table,
    timeout,
)

RUN = """\
demo: What it shows.
iptables on Linux 6.18.0, rules: labkit's renderer
  ✔  the pod sees node2    client → node2:30080  connected, web-1 ×20, source 192.168.0.2 = node2
  ✘  a cluster IP answers  client → my-nginx     timeout
     expected connected, got timeout in 20 of 20 attempts
     scenarios/demo.yaml:51

1 scenario, 2 checks: 1 passed, 1 failed
"""

RUN_ASCII = """\
demo: What it shows.
iptables on Linux 6.18.0, rules: labkit's renderer
  ok    the pod sees node2    client -> node2:30080  connected, web-1 x20, source 192.168.0.2 = node2
  FAIL  a cluster IP answers  client -> my-nginx     timeout
     expected connected, got timeout in 20 of 20 attempts
     scenarios/demo.yaml:51

1 scenario, 2 checks: 1 passed, 1 failed
"""  # noqa: E501 - as wide as a terminal shows it

MATRIX = """\
demo: iptables on Linux 6.18.0

source  destination        via             outcome    answered by          client source

default/my-nginx:http TCP
client  10.96.0.1:80       ClusterIP       timeout
client  192.168.0.2:30080  NodePort node2  connected  web-1 ×12, web-2 ×8  10.244.2.1, 192.168.0.2 = node2

kube-system/dns UDP
node1   10.244.1.2:53      PodIP           connected  dns-1 ×20            10.244.1.1 = preserved

default/my-nginx node1:32000 answers 200

3 flows: 2 connected, 1 timeout
"""  # noqa: E501 - as wide as it is

NOT_RUN = """\
demo: What it shows.
iptables on Linux 6.18.0, rules: labkit's renderer
  ✘  the kernel refused: no
     second line
     scenarios/demo.yaml

1 scenario, 0 checks: 1 could not be run
"""


def example_table() -> FlowTable:
    return table(
        timeout(),
        seen(
            NODE_PORT,
            None,
            {"web-1": 12, "web-2": 8},
            {"10.244.2.1": 8, "192.168.0.2": 12},
            ["node2"],
        ),
        seen(DNS, None, {"dns-1": 20}, {"10.244.1.1": 20}, ["preserved"]),
        health_checks=(
            HealthStatus(service="default/my-nginx", node="node1", port=32000, status=200),
        ),
    )


def test_a_run() -> None:
    assert render_results([result(passing(), failing())], "table") == RUN


def test_a_run_in_ascii() -> None:
    assert render_results([result(passing(), failing())], "table", unicode=False) == RUN_ASCII


def test_other_characters_are_escaped_in_ascii() -> None:
    text = render_results([result(passing("für 日本"))], "table", unicode=False)

    assert text.isascii()
    assert "f\\xfcr" in text


def test_a_flow_table() -> None:
    assert render_tables([example_table()], "table") == MATRIX


def test_a_scenario_without_checks_prints_its_flow_table() -> None:
    text = render_results([result(table=example_table())], "table")

    rows = MATRIX.split("\n", 2)[2]
    assert rows in text
    assert text.endswith("\n1 scenario, 3 flows\n")


def test_a_lab_that_could_not_be_built() -> None:
    failed = result(error="the kernel refused: no\nsecond line")

    assert render_results([failed], "table") == NOT_RUN


def test_one_check_as_a_test_failure_shows_it() -> None:
    assert render_check(failing()) == (
        "  ✘  a cluster IP answers  client → my-nginx  timeout\n"
        "     expected connected, got timeout in 20 of 20 attempts\n"
        "     scenarios/demo.yaml:51\n"
    )


def test_every_source_of_a_check_has_a_line() -> None:
    check = judge(
        located("both", Expect(outcome="connected"), source=["client", "node1"]),
        [masqueraded(), timeout(replace(NODE_PORT, source="node1"))],
    )

    assert render_check(check).splitlines()[:2] == [
        "  ✘  both  client → node2:30080  connected, web-1 ×20, source 192.168.0.2 = node2",
        "           node1 → node2:30080   timeout",
    ]


def test_long_names_are_wrapped_and_columns_stay() -> None:
    name = "from the LAN a cluster IP leads nowhere: the router has no route for it"

    assert render_check(passing(name)) == (
        "  ✔  from the LAN a cluster IP leads nowhere:  client → node2:30080  "
        "connected, web-1 ×20, source 192.168.0.2 = node2\n"
        "     the router has no route for it\n"
    )


def test_fifty_pods_are_shortened_in_the_table_and_not_in_json() -> None:
    pods = {f"web-{number:02}": 2 for number in range(50)}
    many = table(seen(NODE_PORT, {Outcome.CONNECTED: 100}, pods))

    text = render_tables([many], "table")

    assert "web-05 ×2, … 44 more" in " ".join(text.split())
    assert "web-06" not in text
    assert "web-49" in render_tables([many], "json")


def test_seven_names_are_not_shortened_for_one() -> None:
    pods = {f"web-{number}": 2 for number in range(7)}

    assert "web-6 ×2" in render_tables([table(seen(NODE_PORT, None, pods))], "table")


def test_attempts_that_differ_are_counted() -> None:
    mixed = seen(NODE_PORT, {Outcome.CONNECTED: 15, Outcome.TIMED_OUT: 5}, {"web-1": 15})

    text = render_tables([table(mixed)], "table")

    assert "connected ×15, timeout ×5  web-1 ×15" in text
    assert text.endswith("\n1 flow: 1 mixed\n")


def test_an_address_is_named_by_what_other_rows_say_of_it() -> None:
    source = replace(CLUSTER_IP, source="web-1")
    addresses = {"10.244.2.1": 5, "10.244.2.2": 5, "192.168.0.2": 10}
    own_pod = replace(DNS, source="client", address=source.address)
    text = render_tables(
        [
            table(
                seen(source, None, {"web-1": 20}, addresses, ["node2", "preserved"]),
                seen(own_pod, None, {"x": 20}, {"10.244.2.1": 20}, ["node2"]),
            )
        ],
        "markdown",
    )

    assert "10.244.2.1, 192.168.0.2 = node2; 10.244.2.2 = preserved" in text


def test_an_address_in_doubt_gets_every_word_that_it_can_be() -> None:
    addresses = {"10.244.2.1": 5, "10.244.2.2": 5}
    doubtful = seen(CLUSTER_IP, None, {"web-1": 10}, addresses, ["node2", "preserved"])

    assert "10.244.2.1, 10.244.2.2 = node2 or preserved" in render_tables(
        [table(doubtful)], "markdown"
    )


def test_what_the_specification_says_has_a_column_once_it_is_known() -> None:
    expected = Expected(
        outcome=Outcome.REFUSED, backends=(), client_sources=(), why="no endpoint is ready"
    )
    judged = table(timeout(), masqueraded())
    first, second = judged.flows
    flows = (
        msgspec.structs.replace(first, expected=expected, agrees=False),
        msgspec.structs.replace(second, expected=expected, agrees=True),
    )
    text = render_tables([msgspec.structs.replace(judged, flows=flows)], "table")

    assert "✘ refused: no endpoint is ready" in text
    assert text.splitlines()[2].endswith("specified")
    assert text.endswith("\n2 flows: 1 connected, 1 timeout, 1 not as specified\n")


def test_a_table_without_flows_says_so() -> None:
    assert render_tables([table()], "table") == "demo: iptables on Linux 6.18.0\n\n\n0 flows\n"


def test_the_http_status_stands_for_a_pod_without_name() -> None:
    health = replace(seen(replace(NODE_PORT, via=Via.NODE_PORT)), http_statuses={503: 20})
    check = judge(located("health", Expect(http_status=503)), [health])

    assert "connected, HTTP 503 ×20" in render_check(check)


def test_colour_is_only_added() -> None:
    plain = render_results([result(passing(), failing())], "table")
    coloured = render_results([result(passing(), failing())], "table", color=True)

    assert "\x1b" not in plain
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"):
        assert code in coloured
        coloured = coloured.replace(code, "")
    assert coloured.replace("\x1b[0m", "") == plain


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="'pdf' is no format"):
        render_results([], "pdf")
    with pytest.raises(UsageError, match="table, markdown, json, junit, html"):
        render_tables([], "pdf")


def test_a_captured_reply_says_whose_it_was_and_what_became_of_it() -> None:
    stranger = Sender(address=IPv4Address("10.244.1.2"), names=("web-1",))
    check = judge(
        located("a stranger answers", Expect(reply_from="web-1")),
        [timeout(NODE_PORT)],
        [Context(reply=Reply(senders=(stranger,), source_sent_rst=True))],
    )

    assert render_check(check) == (
        "  ✔  a stranger answers  client → node2:30080  "
        "timeout, reply from 10.244.1.2 = web-1, reset by the source\n"
    )
