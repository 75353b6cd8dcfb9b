"""Pictures as files: everything is in them, they are well formed, and nothing is fetched."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from labkit.cluster.model import Cluster
from labkit.errors import UsageError
from labkit.report.graph import GRAPH_FORMATS, render_graph
from labkit.report.graph.style import style_sheet
from labkit.report.page.script import SCRIPT
from tests.unit.report.drawn import cluster_of

SVG = "{http://www.w3.org/2000/svg}"
SMALL = cluster_of(nodes=2, pods=3, services=2, clients=2, outside=1)
LARGE = cluster_of(nodes=100, pods=20, services=130, clients=15, outside=15)
every_format = pytest.mark.parametrize("fmt", GRAPH_FORMATS)
Rules = dict[str, dict[str, str]]


def names(of: Cluster) -> set[str]:
    return {
        *of.node_by_name,
        *of.pod_by_name,
        *of.client_by_name,
        *(each.key.shown for each in of.services),
    }


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]*[\w]", text))


def svg(of: Cluster) -> ElementTree.Element:
    return ElementTree.fromstring(render_graph(of, "svg"))  # noqa: S314 - our own


@every_format
def test_every_name_and_address_is_in_a_small_picture(fmt: str) -> None:
    said = words_of(render_graph(SMALL, fmt).replace("<br/>", " ").replace("\\n", " "))

    assert names(SMALL) <= said
    assert {str(address) for address in SMALL.host_addresses} <= said
    assert {str(each.cluster_ip) for each in SMALL.services} <= said
    assert {str(each.bridge_ip) for each in SMALL.nodes} <= said


@pytest.mark.parametrize("fmt", ["svg", "html"])
def test_every_name_is_in_a_large_picture_too(fmt: str) -> None:
    assert names(LARGE) <= words_of(render_graph(LARGE, fmt))


@pytest.mark.parametrize("fmt", ["svg", "mermaid", "dot"])
@pytest.mark.parametrize("of", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_left_out_is_counted(fmt: str, of: Cluster) -> None:
    text = render_graph(of, fmt)
    for said in ("70 more Services", "3 more clients"):
        assert (said in text) is (of is LARGE)


@every_format
def test_the_same_cluster_gives_the_same_bytes_in_ascii(fmt: str) -> None:
    again = cluster_of(nodes=2, pods=3, services=2, clients=2, outside=1)

    assert render_graph(SMALL, fmt) == render_graph(again, fmt)
    assert render_graph(SMALL, fmt).isascii()
    assert render_graph(SMALL, fmt).endswith("\n")


def test_there_is_no_other_format() -> None:
    with pytest.raises(UsageError, match="'gif' is no picture; there are: svg, mermaid, dot, html"):
        render_graph(SMALL, "gif")


@pytest.mark.parametrize("of", [SMALL, LARGE], ids=["small", "large"])
def test_svg_has_a_title_and_a_description_for_who_cannot_see_it(of: Cluster) -> None:
    root = svg(of)

    by_id = {each.get("id"): each for each in root.iter() if each.get("id")}
    title, description = (by_id[each] for each in root.attrib["aria-labelledby"].split())
    assert root.attrib["role"] == "img"
    assert [title.tag, description.tag] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0] is title
    assert title.text == "Topology of drawn"
    assert names(of) <= words_of(description.text or "")


def test_svg_has_one_box_for_each_thing() -> None:
    root = svg(SMALL)
    kinds = [kind for each in root.iter(f"{SVG}g") for kind in each.get("class", "").split()]

    assert kinds.count("node-box") == 2
    assert kinds.count("client") == 3
    assert kinds.count("router-box") == 1
    assert kinds.count("spot") == 6
    assert [kind for kind in kinds if kind.startswith("card-")] == ["card-1", "card-2"]
    # The first Service leads to all pods, the second to every other one.
    assert kinds.count("to-1") == 6
    assert kinds.count("to-2") == 3


@pytest.mark.parametrize("fmt", ["svg", "html"])
def test_nothing_of_others_is_run_and_nothing_is_fetched(fmt: str) -> None:
    text = render_graph(SMALL, fmt).replace('xmlns="http://www.w3.org/2000/svg"', "")
    text = text.replace(f"<script>{SCRIPT}</script>", "")

    assert not re.search(r"<(script|image|use|link|iframe|foreignObject|object|embed)\b", text)
    assert not re.search(r"\b(href|src|on\w+)\s*=", text)
    assert not re.search(r"url\(|@import|https?:|//", text)


def test_html_holds_the_picture_and_tables_of_everything() -> None:
    text = render_graph(SMALL, "html")

    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<svg") == text.count("</svg>") == 1
    for heading in ("Services", "Nodes", "Pods", "Clients"):
        assert f"<h3>{heading}</h3>" in text
    assert text.count("<tr>") == 4 + 2 + 2 + 6 + 3


def rules(css: str) -> Rules:
    """Colours of each class, by property."""
    found: Rules = {}
    for selector, body in re.findall(r"\.topology \.([^{:]+?) \{([^}]*)\}", css):
        found.setdefault(selector, {}).update(re.findall(r"(fill|stroke): (#\w{6});", body))
    return found


def both() -> list[Rules]:
    light, dark = style_sheet([]).split("@media (prefers-color-scheme: dark)")
    return [rules(light), rules(dark)]


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", both(), ids=["light", "dark"])
def test_text_is_readable_on_every_ground(colours: Rules) -> None:
    grounds = ["paper", "host", "router", "node", "pod", "card", "lan", "bridge"]
    pairs = [(text, ground) for text in ("ink", "quiet") for ground in grounds]
    pairs += [("warning", ground) for ground in ("pod", "card")]
    for text, ground in pairs:
        # WCAG 2.2, success criterion 1.4.3.
        assert contrast(colours[text]["fill"], colours[ground]["fill"]) >= 4.5, (text, ground)


@pytest.mark.parametrize("colours", both(), ids=["light", "dark"])
def test_the_numbers_of_services_are_readable(colours: Rules) -> None:
    hues = sorted({name.split()[0] for name in colours if name.startswith("hue-")})
    assert len(hues) == 16
    for hue in hues:
        number, ground = colours[f"{hue} .number"]["fill"], colours[f"{hue} rect"]["fill"]
        assert contrast(number, ground) >= 4.5, hue


def test_a_service_that_is_pointed_at_dims_the_pods_that_it_does_not_lead_to() -> None:
    rule = ".topology:has(.card-2:hover) .spot:not(.to-2) { opacity: .2; }"

    assert rule in render_graph(SMALL, "svg")


@pytest.mark.parametrize("end", ["", "-and-so-on-until-there-are-as-many-as-a-label-can-be"])
def test_mermaid_of_a_large_cluster_is_within_what_mermaid_takes(end: str) -> None:
    large = cluster_of(
        nodes=100,
        pods=20,
        services=130,
        clients=15,
        outside=15,
        named=lambda short: f"{short}{end}",
    )
    text = render_graph(large, "mermaid")

    assert len(text) <= 50_000
    assert len(re.findall(r" (?:---|===|-\.-|&) ", text)) <= 500
