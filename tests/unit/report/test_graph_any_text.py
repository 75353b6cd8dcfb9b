"""Whatever a name is made of, no picture breaks, and each says the name."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster
from labkit.report.graph import render_graph
from labkit.report.graph.measure import fitted
from labkit.report.text import clean
from tests.unit.report.drawn import cluster_of

NASTY = st.sampled_from(
    [
        '"',
        "'",
        "<script>alert(1)</script>",
        "</style>",
        "]]>",
        "&amp;",
        "&#60;",
        "#quot;",
        "style:x#1;",
        "\\",
        "\\n",
        "\\N",
        "%%{init: {}}%%",
        "end",
        "`",
        "]];",
        "<br/>",
        "\n",
        "\r\n",
        "\t",
        "\x00\x1b[31m",
        "\ud800",
        "\u202e",
        "\u2028",
        "名前",
    ]
)
TEXT = st.lists(st.one_of(NASTY, st.text(st.characters(), max_size=6)), min_size=1, max_size=3).map(
    "".join
)
# The first example pays for the imports, on a machine that may be busy.
UNTIMED = settings(deadline=None, max_examples=50)


def named(text: str) -> Cluster:
    return cluster_of(nodes=1, pods=1, clients=1, outside=1, named=lambda short: f"{short}{text}")


@UNTIMED
@given(TEXT)
@example("\ud800")
def test_svg_is_xml_that_says_the_names_and_holds_no_tag_that_a_name_brought(text: str) -> None:
    root = ElementTree.fromstring(render_graph(named(text), "svg"))  # noqa: S314 - our own
    plain = ElementTree.fromstring(render_graph(named("x"), "svg"))  # noqa: S314 - our own

    assert sorted({each.tag for each in root.iter()}) == sorted({each.tag for each in plain.iter()})
    said = " ".join(root.itertext())
    for name in ("pod-2-10.0.1.0", "node-1", "service-1", "client-0", "far-0"):
        assert clean(f"{name}{text}").strip() in said


@UNTIMED
@given(TEXT)
def test_html_holds_no_tag_that_a_name_brought(text: str) -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            self.found.add(tag)

    odd, plain = Tags(), Tags()
    odd.feed(render_graph(named(text), "html"))
    plain.feed(render_graph(named("x"), "html"))

    assert odd.found == plain.found
    assert clean(f"pod-2-10.0.1.0{text}") in html.unescape(render_graph(named(text), "html"))


MERMAID_LABEL = r'"(?:[A-Za-z0-9 ,./()_-]|#\d+;|<br/>)*"'
MERMAID_LINES = (
    r'title: "[ -~]*"',
    r"---|flowchart LR|config: \{flowchart: \{wrappingWidth: 400\}\}",
    rf" +router\[{MERMAID_LABEL}\] --- lan\[{MERMAID_LABEL}\]",
    rf" +[cf]\d+\(\[{MERMAID_LABEL}\]\) --- (lan|router)",
    rf" +subgraph n\d+\[{MERMAID_LABEL}\]",
    rf" +n\d+b\[{MERMAID_LABEL}\]",
    rf" +n\d+p\d+\({MERMAID_LABEL}\)(:::late)?",
    r" +n\d+b --- n\d+p\d+( & n\d+p\d+)*",
    r" +end",
    r" +lan --- n\d+",
    rf" +s\d+\[\[{MERMAID_LABEL}\]\]",
    r" +n\d+(p\d+)? (===|-\.-) s\d+",
    r" +classDef late stroke-dasharray:4 3",
)
"""Every line that flow.jison is given; text is in quotes, and in codes where it is not plain."""


@UNTIMED
@given(TEXT)
def test_mermaid_keeps_to_its_grammar_and_says_the_names(text: str) -> None:
    picture = render_graph(named(text), "mermaid")

    for line in picture.removesuffix("\n").split("\n"):
        assert re.fullmatch("|".join(MERMAID_LINES), line), line
    said = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), picture.replace("<br/>", "\n"))
    assert said_in(said, fitted(clean(f"node-1{text}"), 44))


DOT_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"'  # a quoted string: a backslash takes the next character with it
    r"|[A-Za-z_][A-Za-z0-9_]*|-?\d+(?:\.\d+)?|->|[\[\]{};,=]|\s+"
)


@UNTIMED
@given(TEXT)
@example("\\")
@example('\\"')
def test_dot_is_made_of_its_tokens_and_says_the_names(text: str) -> None:
    picture = render_graph(named(text), "dot")

    tokens = DOT_TOKEN.findall(picture)
    assert "".join(tokens) == picture
    plain = DOT_TOKEN.findall(render_graph(named("x"), "dot"))
    assert [each for each in tokens if skeleton(each)] == [each for each in plain if skeleton(each)]
    strings = [dot_label(each) for each in tokens if each.startswith('"')]
    assert any(said_in(each, clean(f"node-1{text}")) for each in strings)


def skeleton(token: str) -> bool:
    """Whether a token is no text and no space: what a name must not change."""
    return not token.startswith('"') and not token.isspace()


def dot_label(token: str) -> str:
    """What dot shows: escapes taken back, then entities."""
    return html.unescape(re.sub(r"\\(.)", lambda pair: "\n" if pair[1] in "nl" else pair[1], token))


def said_in(text: str, name: str) -> bool:
    """White space may be folded where lines are."""
    return "".join(name.split()) in "".join(text.split())
