"""Whatever a name is made of, no format breaks: a Check's name and a file's name are free text."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.probe.verdict import ScenarioResult
from labkit.report import render_results
from tests.unit.report.examples import NODE_PORT, failing, passing, result, seen, table

ALSO_NASTY = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "]]>",
        "&amp;",
        "a|b",
        "\\|",
        "\x00\x1b[31m",
        "\ud800",
        "\u202e",
        "`",
    ]
)
TEXT = st.lists(
    st.one_of(ALSO_NASTY, st.text(st.characters(), max_size=8)), min_size=1, max_size=4
).map("".join)
# The first example pays for the imports, on a machine that may be busy.
UNTIMED = settings(deadline=None)


def results_named(text: str) -> list[ScenarioResult]:
    flow = replace(NODE_PORT, source=text, service=text, port=text, node=text)
    odd = seen(flow, None, {text: 20}, {"192.168.0.2": 20}, [text])
    return [
        result(
            passing(text),
            failing(text, file=text),
            scenario=text,
            description=text,
            table=table(odd, scenario=text),
        ),
        result(scenario=text, error=text),
    ]


@UNTIMED
@given(TEXT)
@example("\ud800")
def test_every_format_can_be_written_as_utf_8(text: str) -> None:
    for fmt in ("table", "markdown", "junit", "html"):
        render_results(results_named(text), fmt).encode()


@UNTIMED
@given(TEXT)
def test_junit_is_xml_and_counts_what_is_there(text: str) -> None:
    root = ElementTree.fromstring(render_results(results_named(text), "junit"))  # noqa: S314

    assert root.attrib["tests"] == "4"
    assert len(root.findall("testsuite/testcase")) == 4
    assert len(root.findall(".//failure")) == 1


@UNTIMED
@given(TEXT)
def test_html_holds_no_tag_that_a_name_brought(text: str) -> None:
    class Tags(HTMLParser):
        found: tuple[str, ...] = ()

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            self.found += (tag,)

    odd, plain = Tags(), Tags()
    odd.feed(render_results(results_named(text), "html"))
    plain.feed(render_results(results_named("x"), "html"))

    # A description of white space alone is left out, with its paragraph.
    assert [tag for tag in odd.found if tag != "p"] == [tag for tag in plain.found if tag != "p"]


@UNTIMED
@given(TEXT)
def test_markdown_rows_have_the_cells_of_their_heading(text: str) -> None:
    width = 0
    rows = 0
    for line in render_results(results_named(text), "markdown").split("\n"):
        if not line.startswith("| "):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        width = width or cells
        assert cells == width
        rows += 1
    assert rows == 2 + 2 + 2 + 1
    assert width == 0


@UNTIMED
@given(TEXT)
def test_json_is_json(text: str) -> None:
    found = json.loads(
        render_results(results_named(text.encode(errors="replace").decode()), "json")
    )

    assert len(found["scenarios"]) == 2


@UNTIMED
@given(TEXT)
def test_a_free_text_that_utf_8_has_no_bytes_for_does_not_stop_the_json(text: str) -> None:
    odd = result(passing(text), failing(text, file=text), description=text, error=text)

    assert json.loads(render_results([odd], "json"))["passed"] is False


@UNTIMED
@given(TEXT)
def test_a_terminal_gets_no_control_character(text: str) -> None:
    shown = render_results(results_named(text), "table")

    assert {each for each in shown if unicodedata.category(each) == "Cc"} <= {"\n", "\t"}


@UNTIMED
@given(TEXT)
def test_ascii_is_ascii(text: str) -> None:
    assert render_results(results_named(text), "table", unicode=False).isascii()
