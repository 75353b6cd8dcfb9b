"""The page: what is on it, and that nothing of a manifest becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from labkit.probe.flow import Outcome
from labkit.probe.table import Expected, FlowRow, flow_row
from labkit.probe.verdict import Context
from labkit.report import render_results, render_tables
from labkit.report.evidence import Evidence, Version
from labkit.report.page.markup import escaped, tag
from labkit.report.page.stories import ASKED_FOR_OTHER, FAULT, MOST_TOLD
from labkit.report.page.style import style_sheet
from tests.unit.report.drawn import cluster_of
from tests.unit.report.examples import failing, passing, result, table, timeout

CLUSTER = cluster_of(nodes=2, pods=2, services=1)
EVIDENCE = Evidence(
    cluster=CLUSTER,
    file="scenarios/demo.yaml",
    versions=(Version("nft", "v1.0.6"),),
    rules={"node-1": "*nat\n-A KUBE-SERVICES -j <KUBE>\nCOMMIT\n", "node-2": ""},
    logs={"web-1/web": "listening\n"},
)
WHY = "internalTrafficPolicy: Local, and node1 has no endpoint"


def text_of(html: str) -> str:
    """The words of a page."""
    body = html.partition("<body>")[2].partition("<script>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def lost(*, agrees: bool) -> FlowRow:
    return structs.replace(
        flow_row(timeout()),
        expected=Expected(
            outcome=Outcome.TIMED_OUT if agrees else Outcome.CONNECTED,
            backends=(),
            client_sources=(),
            why=WHY,
        ),
        agrees=agrees,
    )


def test_a_failing_check_is_told_from_what_was_asked_to_what_to_do_next() -> None:
    check = replace(failing(), contexts=(Context(row=lost(agrees=False)),))

    words = text_of(render_results([result(passing(), check)], "html"))

    story = words.partition("What failed")[2].partition("Checks")[0]
    told = [
        "a cluster IP answers",
        "client → my-nginx",
        "scenarios/demo.yaml:51",
        "expected connected, got timeout in 20 of 20 attempts",
        "expected connected",
        "seen timeout",
        f"why {WHY}",
        FAULT,
        "What to do next",
        "labkit explain scenarios/demo.yaml client 10.96.0.1:80 --dataplane iptables",
        "labkit trace scenarios/demo.yaml client 10.96.0.1:80 --dataplane iptables",
    ]
    places = [story.index(each) for each in told]
    assert places == sorted(places)


def test_a_check_that_contradicts_the_specification_is_told_so() -> None:
    check = replace(failing(), contexts=(Context(row=lost(agrees=True)),))

    words = text_of(render_results([result(check)], "html"))

    assert ASKED_FOR_OTHER in words
    assert FAULT not in words


def test_a_flow_that_is_not_as_specified_has_a_story_too() -> None:
    flows = structs.replace(table(), flows=(lost(agrees=False),))

    for html in (
        render_results([result(table=flows)], "html"),
        render_tables([flows], "html", evidence=[EVIDENCE]),
    ):
        assert "1 of 1 flow not as specified" in text_of(html)
        assert f"why {WHY}" in text_of(html).partition("What failed")[2]


def test_more_stories_than_anybody_reads_are_rows_alone() -> None:
    flows = structs.replace(table(), flows=(lost(agrees=False),) * (MOST_TOLD + 3))

    html = render_tables([flows], "html")

    assert html.count("<article") == MOST_TOLD
    assert "3 more are in the tables below." in html


def test_the_lab_is_shown_as_it_was() -> None:
    html = render_results([result(passing())], "html", evidence=[EVIDENCE])
    words = text_of(html)

    assert "kernel Linux 6.18.0 nft v1.0.6" in words
    assert html.count('<svg class="topology"') == 1
    assert "Rules of node-1 3 lines *nat -A KUBE-SERVICES -j <KUBE> COMMIT" in words
    assert "Rules of node-2 none" in words
    assert "What web-1/web printed 1 line listening" in words


def test_rules_without_end_are_left_out_and_how_to_get_them_is_said() -> None:
    line = "-A KUBE-SERVICES -j ACCEPT\n"
    many = {"node-1": line, "node-2": line * 100_000, "node-3": line}
    evidence = replace(EVIDENCE, rules=many, logs={"web-1/web": "old\n" + "new\n" * 50_000})

    html = render_results([result(passing())], "html", evidence=[evidence])
    words = text_of(html)

    assert len(html) < 200_000
    assert "Rules of node-1 1 line -A KUBE-SERVICES" in words
    assert "Rules of node-2 100000 lines, left out" in words
    assert "Rules of node-3 1 line -A KUBE-SERVICES" in words
    assert "labkit rules scenarios/demo.yaml --node NODE" in words
    assert "What web-1/web printed 50001 lines, the last of them new" in words


def test_what_passed_is_a_line_and_what_failed_is_found_at_the_top() -> None:
    results = [
        result(passing(), scenario="fine"),
        result(failing(), scenario="broken"),
    ]

    html = render_results(results, "html")

    index = html.partition("<nav")[2].partition("</nav>")[0]
    assert "broken" in index
    assert "a cluster IP answers" in index
    assert "fine" not in index
    assert html.count('<section class="folded good">') == 1


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        ([result(passing())], "✔ The check passed"),
        ([result(passing(), passing())], "✔ All 2 checks passed"),
        ([result(passing(), failing())], "✘ 1 of 2 checks failed"),
        ([result(error="no"), result(failing())], "✘ 1 of 2 scenarios could not be run"),
        ([result(table=table())], "✔ Nothing was judged"),
    ],
)
def test_the_headline_says_what_there_is_to_know_first(found: list[object], headline: str) -> None:
    html = render_results(found, "html")  # type: ignore[arg-type]  # parametrize forgets types

    (heading,) = re.findall("<h1>(.*?)</h1>", html)
    assert re.sub(r"<span class=\"out\">.*?</span>|<[^>]*>", "", heading) == headline


def test_the_browser_is_told_to_run_this_script_and_fetch_nothing() -> None:
    html = render_results([result(passing())], "html")

    (policy,) = re.findall('Content-Security-Policy" content="(.*?)"', html)
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in unescape(policy)
    assert "default-src 'none'" in unescape(policy)


@given(st.text())
def test_text_never_becomes_markup(text: str) -> None:
    for found in (escaped(text), tag("p", text), tag("p", title=text)):
        assert not set(re.sub(r"^<p( title=\")?|\"?>|</p>$", "", found)) & set("<>\"'")


@given(st.text(min_size=1))
def test_a_heading_cannot_leave_its_string_in_the_style_sheet(text: str) -> None:
    found = style_sheet([("kind", (text,))])

    (string,) = re.findall(r"nth-child\(1\)::before \{ content: (.*); \}", found)
    assert re.fullmatch(r'"([a-zA-Z0-9]|\\[0-9a-f]+ )*"', string)
    assert found.count("{") == found.count("}")
