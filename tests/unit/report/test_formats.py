from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest
from msgspec import structs

from labkit.probe.flow import Outcome
from labkit.probe.table import Expected, HealthStatus
from labkit.report import FORMATS, render_results, render_tables
from labkit.report.markdown import escape
from tests.unit.report.examples import failing, masqueraded, passing, result, table, timeout

MARKDOWN = """\
## ✘ demo

What it shows.

iptables on Linux 6.18.0, rules: labkit's renderer

|  | check | from and to | outcome | answered by | client source | what differs |
| --- | --- | --- | --- | --- | --- | --- |
| ✔ | the pod sees node2 | client → node2:30080 | connected | web-1 ×20 | 192.168.0.2 = node2 |  |
| ✘ | a cluster IP answers | client → my-nginx | timeout |  |  | expected connected, got timeout in 20 of 20 attempts (scenarios/demo.yaml:51) |

**1 scenario, 2 checks: 1 passed, 1 failed**
"""  # noqa: E501 - a row is a line

JUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="labkit" tests="2" failures="1" errors="0" skipped="0">
  <testsuite name="demo [iptables]" time="2.000" tests="2" failures="1" errors="0" skipped="0">
    <properties>
      <property name="setting" value="iptables on Linux 6.18.0, rules: labkit's renderer" />
    </properties>
    <testcase classname="demo [iptables]" name="the pod sees node2" file="scenarios/demo.yaml" line="34" time="0.250" />
    <testcase classname="demo [iptables]" name="a cluster IP answers" file="scenarios/demo.yaml" line="51" time="1.500">
      <failure message="expected connected, got timeout in 20 of 20 attempts">expected connected, got timeout in 20 of 20 attempts
expected: connected
seen: client → ClusterIP 10.96.0.1:80 (default/my-nginx:http TCP): timeout
scenarios/demo.yaml:51:1</failure>
    </testcase>
  </testsuite>
</testsuites>
"""  # noqa: E501 - as it is written


def test_markdown_of_a_run() -> None:
    assert render_results([result(passing(), failing())], "markdown") == MARKDOWN


def test_markdown_of_a_flow_table_has_a_heading_for_each_service_port() -> None:
    text = render_tables([table(timeout())], "markdown")

    assert "\n### default/my-nginx:http TCP\n" in text
    assert "| client | 10.96.0.1:80 | ClusterIP | timeout |  |  |" in text
    assert text.endswith("\n**1 flow: 1 timeout**\n")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("a\\|b", "a&#92;\\|b"),
        ("two\nlines", "two lines"),
        ("- a-b", "\\- a-b"),
        ("*_`[#~", "\\*\\_\\`\\[\\#\\~"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_junit_of_a_run() -> None:
    assert render_results([result(passing(), failing())], "junit") == JUNIT


def test_junit_of_a_lab_that_could_not_be_built_is_an_error() -> None:
    text = render_results([result(error="the kernel refused\nmore")], "junit")

    error = ElementTree.fromstring(text).find("testsuite/testcase/error")  # noqa: S314 - our own
    assert error is not None
    assert error.attrib["message"] == "the kernel refused"
    assert error.text == "the kernel refused\nmore"


def test_junit_skips_a_flow_that_nothing_is_expected_of() -> None:
    root = ElementTree.fromstring(render_tables([table(masqueraded())], "junit"))  # noqa: S314

    assert (root.attrib["tests"], root.attrib["skipped"]) == ("1", "1")
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == (
        "not judged; seen: connected; web-1 ×20; 192.168.0.2 = node2"
    )


@pytest.mark.parametrize(("agrees", "failures"), [(True, "0"), (False, "1")])
def test_junit_judges_a_flow_that_something_is_expected_of(agrees: bool, failures: str) -> None:  # noqa: FBT001
    expected = Expected(outcome=Outcome.REFUSED, backends=(), client_sources=(), why="none ready")
    seen = table(timeout())
    row = msgspec.structs.replace(seen.flows[0], expected=expected, agrees=agrees)

    text = render_tables([msgspec.structs.replace(seen, flows=(row,))], "junit")

    assert f'failures="{failures}"' in text
    assert ("specified: refused: none ready; seen: timeout" in text) is not agrees


def test_json_of_a_run() -> None:
    found = json.loads(render_results([result(passing(), failing())], "json"))

    assert found["schema"] == "labkit.dev/report/v1"
    assert found["passed"] is False
    assert found["totals"] == {
        "scenarios": 1,
        "scenarios_failed": 1,
        "checks": 2,
        "checks_failed": 1,
    }
    (scenario,) = found["scenarios"]
    assert scenario["kernel"] == {"kind": "host", "release": "6.18.0"}
    first, second = scenario["checks"]
    assert (first["file"], first["line"], first["from"], first["to"]) == (
        "scenarios/demo.yaml",
        34,
        ["client"],
        "node2:30080",
    )
    assert first["observations"][0]["sources_seen"] == {"192.168.0.2": 20}
    assert second["differences"] == ["expected connected, got timeout in 20 of 20 attempts"]


def test_json_of_a_run_without_checks_holds_the_flow_table() -> None:
    flows = table(timeout())

    found = json.loads(render_results([result(table=flows)], "json"))

    assert found["scenarios"][0]["flow_table"] == json.loads(render_tables([flows], "json"))


def test_json_of_several_flow_tables_is_an_array() -> None:
    found = json.loads(render_tables([table(timeout()), table()], "json"))

    assert [len(each["flows"]) for each in found] == [1, 0]


def test_html_is_one_page_that_needs_nothing_else() -> None:
    page = render_results([result(passing(), failing(), table=table(timeout()))], "html")

    assert page.startswith("<!DOCTYPE html>")
    assert "prefers-color-scheme: dark" in page
    for outside in ("src=", "<link", "<img", "http:", "https:", "@import", "url("):
        assert outside not in page
    assert page.count("<script") == 1
    assert "expected connected, got timeout in 20 of 20 attempts" in page
    assert "1 scenario, 2 checks, 1 flow: 1 passed, 1 failed" in page


def test_html_closes_what_it_opens() -> None:
    class Balance(HTMLParser):
        open_tags: tuple[str, ...] = ()

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in {"meta", "br"}:
                self.open_tags += (tag,)

        def handle_endtag(self, tag: str) -> None:
            assert self.open_tags[-1] == tag
            self.open_tags = self.open_tags[:-1]

    parser = Balance()
    parser.feed(
        render_results([result(passing(), failing(), table=table(timeout()), error="no")], "html")
    )

    assert parser.open_tags == ()


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_same_results_give_the_same_text(fmt: str) -> None:
    results = [result(passing(), failing()), result(table=table(masqueraded(), timeout()))]

    assert render_results(results, fmt) == render_results(results, fmt)
    assert render_results(results, fmt).endswith("\n")
    assert render_results([], fmt)


@pytest.mark.parametrize("fmt", ["table", "markdown", "html"])
def test_every_format_for_readers_shows_flows_and_health_check_ports(fmt: str) -> None:
    health = HealthStatus(service="default/my-nginx", node="node2", port=32000, status=503)

    text = render_tables([table(masqueraded(), health_checks=(health,))], fmt)

    for words in (
        "192.168.0.2:30080",
        "NodePort node2",
        "web-1 ×20",
        "192.168.0.2 = node2",
        "default/my-nginx node2:32000 answers 503",
        "1 flow: 1 connected",
    ):
        assert words in text


@pytest.mark.parametrize("fmt", ["table", "markdown", "html", "json"])
def test_addresses_that_the_lab_changed_and_where_rules_came_from_are_told(fmt: str) -> None:
    changed = "pod web-1: 192.168.7.9 is 10.244.1.2 (it is in the LAN)"
    source = "labkit's renderer; node1: dumps/node1.txt"
    ran = replace(result(passing()), mapped=(changed,), rules=source)
    probed = structs.replace(table(), mapped=(changed,), rules=source)

    for report in (render_results([ran], fmt), render_tables([probed], fmt)):
        words = unescape(report.replace("\\", ""))
        assert changed in words
        assert source in words
