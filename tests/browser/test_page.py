"""What a reader can do with a page, and what nobody can do to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs
from playwright.sync_api import Browser

from labkit.lab.runs import Request, run_one
from labkit.manifest.load import load_text
from labkit.probe.flow import Outcome
from labkit.probe.table import Expected, FlowTable
from labkit.report import render_results, render_tables
from tests.browser.opened import NARROW, WIDE, Opened
from tests.unit.report.examples import (
    CLUSTER_IP,
    failing,
    passing,
    result,
    seen,
    table,
    timeout,
)

MANY = 10_000
A4 = 718
"""Pixels of a sheet's width between margins of a centimetre."""
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
NASTY = f"""]]>'\\">{SCRIPT}</title></style></script><!-- \u202e &amp; ` $"""
QUOTED = json.dumps(NASTY)
"""For YAML, whose quoted strings can be those of JSON."""
CHECK = json.dumps(NASTY.replace("\u202e", ""))
"""A Check's name may have no direction marks."""
HOSTILE = f"""
# {SCRIPT} is the first line
apiVersion: labkit.dev/v1
kind: Lab
metadata: {{name: hostile}}
spec:
  nodes: [{{name: node1}}]
  clients: [{{name: client}}]
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  labels: {{app: web}}
  annotations: {{note: {QUOTED}}}
spec:
  nodeName: node1
  containers: [{{name: web, image: {QUOTED}, ports: [{{containerPort: 80}}]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  nodeName: node1
  containers: [{{name: talker, image: none, command: ["printf", "%s", {QUOTED}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: 80}}]
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {{name: {CHECK}}}
spec:
  from: web-1
  to: {{service: web}}
  expect: {{outcome: refused}}
"""


def judged(rows: int) -> FlowTable:
    """Flows to a cluster IP that are as specified, and every tenth that is not."""
    row = structs.replace(
        table(seen(CLUSTER_IP, None, {"web-1": 20}, {"192.168.0.100": 20}, ["preserved"])).flows[0],
        expected=Expected(
            outcome=Outcome.CONNECTED,
            backends=("web-1",),
            client_sources=("preserved",),
            why="any ready endpoint will do",
        ),
        agrees=True,
    )
    lost = structs.replace(
        row,
        outcome=Outcome.TIMED_OUT,
        outcomes={Outcome.TIMED_OUT: 20},
        backends={},
        sources_seen={},
        client_sources=(),
        agrees=False,
    )
    flows = tuple(
        structs.replace(
            lost if place % 10 == 0 else row,
            source=f"client-{place % 7}",
            service=f"default/web-{place // 100}",
        )
        for place in range(rows)
    )
    return structs.replace(table(), flows=flows)


def test_a_filter_by_words_keeps_the_rows_that_have_all_of_them(page: Opened) -> None:
    page.show(render_tables([judged(300)], "html"))
    assert page.rows().count() == 300

    page.page.get_by_label("Words that a row must have").fill("CLIENT-3 timeout")

    page.page.get_by_text("5 of 300 flows", exact=True).wait_for()
    assert page.rows().count() == 5
    assert page.page.locator("tbody:not([hidden])").count() == 3, "empty groups go too"


@pytest.mark.parametrize(
    ("label", "choice", "left"),
    [
        ("verdict", "not as specified", 30),
        ("outcome", "connected", 270),
        ("source", "client-0", 43),
        ("Service", "default/web-1:http TCP", 100),
    ],
)
def test_a_filter_by_choice(page: Opened, label: str, choice: str, left: int) -> None:
    page.show(render_tables([judged(300)], "html"))

    page.page.get_by_role("combobox", name=label, exact=True).select_option(choice)

    page.page.get_by_text(f"{left} of 300 flows", exact=True).wait_for()
    assert page.rows().count() == left


def test_ten_thousand_flows_can_be_filtered(page: Opened) -> None:
    page.show(render_tables([judged(MANY)], "html"))

    page.page.get_by_label("Words that a row must have").fill("client-3 timeout")

    page.page.get_by_text(f"143 of {MANY} flows", exact=True).wait_for()
    assert page.rows().count() == 143


def test_the_heading_of_a_long_table_stays_in_sight(page: Opened) -> None:
    page.show(render_tables([judged(500)], "html"))
    box = page.page.locator(".wide").first
    box.evaluate("box => { box.scrollTop = box.scrollHeight }")

    top = "element => element.getBoundingClientRect().top"
    assert 0 <= box.locator("th").first.evaluate(top) - box.evaluate(top) <= 2


def test_a_manifest_cannot_run_anything_or_break_the_page(page: Opened) -> None:
    scenario = load_text(HOSTILE, file="hostile.yaml")
    ran = run_one(Request(scenario=scenario, evidence=True))
    assert not ran.result.passed
    odd = replace(ran.result, error=NASTY, path=NASTY, checks=(*ran.result.checks, failing(NASTY)))

    page.show(render_results([ran.result, odd], "html", evidence=[ran.evidence, ran.evidence]))

    assert page.page.title() == "labkit: 1 of 2 scenarios could not be run"
    assert page.page.locator("script").count() == 1
    assert page.page.locator("img").count() == 0
    assert page.page.locator("footer").count() == 1, "nothing was closed too early"
    said = page.page.locator("h3", has_text="]]>").first.inner_text()
    assert SCRIPT in said
    assert "\u202e" not in page.page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_words_stand_out_from_their_ground(
    page: Opened, scheme: Literal["light", "dark"], width: int
) -> None:
    page.set_up(width, scheme)
    page.show(render_results([result(passing(), failing(), table=table(timeout()))], "html"))

    assert page.number(CONTRAST) >= 4.5
    assert page.overflow == 0


CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = parse(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = 21;
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || element.closest("script, .out, svg")) continue;
    const one = light(parse(getComputedStyle(element).color));
    const other = light(ground(element));
    worst = Math.min(worst, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  }
  return worst;
})()"""
"""The least contrast of any word with what is behind it (WCAG 2.2, relative luminance)."""


def test_who_cannot_see_the_page_is_told_what_is_what(page: Opened) -> None:
    page.show(render_results([result(passing(), failing(), table=table(timeout()))], "html"))
    reader = page.page

    assert reader.get_by_role("heading", level=1).inner_text().startswith("✘")
    assert reader.get_by_role("table", name="Checks of demo").count() == 1
    assert reader.get_by_role("article", name="failed a cluster IP answers").count() == 1
    assert reader.get_by_role("main").count() == 1
    named = "each.ariaLabel || each.closest('label')"
    boxes = "document.querySelectorAll('input, select, [tabindex]:not(pre)')"
    assert page.number(f"Array.from({boxes}).filter((each) => !({named})).length") == 0


def test_what_scrolls_can_be_reached_by_keyboard(page: Opened) -> None:
    page.show(render_tables([judged(100)], "html"))

    page.page.get_by_label("Words that a row must have").focus()
    while page.page.evaluate("document.activeElement.className") != "wide":
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement !== document.body")


def test_without_scripts_everything_is_there_but_the_filter(
    browser: Browser, tmp_path: Path
) -> None:
    html = render_tables([judged(20)], "html")
    context = browser.new_context(java_script_enabled=False)
    window = Opened(context.new_page(), tmp_path)
    window.show(html)

    assert window.rows().count() == 20
    assert window.page.locator(".filter").count() == 0
    context.close()


def test_on_paper_nothing_is_cut_off(page: Opened) -> None:
    page.show(render_tables([judged(200)], "html"))
    page.page.emulate_media(media="print", color_scheme="dark")

    box = page.page.locator(".wide").first
    assert box.evaluate("box => box.scrollHeight - box.clientHeight") <= 1
    assert not page.page.locator(".filter").first.is_visible()
    page.set_up(A4)
    page.page.emulate_media(media="print", color_scheme="dark")
    assert page.overflow == 0
    assert page.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_nothing_moves_for_who_wants_it_still(page: Opened) -> None:
    page.show(render_results([result(failing())], "html"))
    page.page.emulate_media(reduced_motion="reduce")

    assert page.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
