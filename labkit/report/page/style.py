"""The one style sheet of every page: light and dark, wide and narrow, on screen and on paper. Pure.

Colours have a contrast of 4.5 or more on their ground (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_COLOURS: Final = """
:root { color-scheme: light dark;
  --paper: #f7f8f9; --card: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #dfe3e8;
  --good: #1a7037; --bad: #b3261e; --bad-tint: #fdf2f1; --link: #1d4ed8; --code: #f3f5f7;
  --change: #94530b; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #0f1215; --card: #16191d; --ink: #e6e8eb; --soft: #a3abb5; --line: #2b3138;
  --good: #5bd18b; --bad: #ff9a92; --bad-tint: #2a1816; --link: #93b4fd; --code: #1d2126;
  --change: #f5b560; } }
"""
_TEXT: Final = """
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
body > * { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 0; font-weight: 650; }
h1 { font-size: 1.9rem; letter-spacing: -.015em; }
h2 { font-size: 1.3rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 2rem 0 .6rem; }
h4 { font-size: .95rem; margin: 1.4rem 0 .3rem; }
p { margin: .35rem 0; max-width: 48rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.quiet, .note, .setting, .brand { color: var(--soft); }
.mark { font-weight: 700; }
.good > .mark, .mark.good { color: var(--good); }
.bad > .mark, .mark.bad, .text-bad { color: var(--bad); }
.plain > .mark { color: var(--soft); }
.total { font-weight: 650; }
.setting { font-size: .9rem; max-width: none; }
code, pre, .way, .place { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .87em; }
.out { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
"""
_PARTS: Final = """
header { padding-top: 2.2rem; }
.brand { font-weight: 650; letter-spacing: .02em; margin: 0 0 .8rem; }
.summary { font-size: 1.05rem; }
main > section, .box { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.4rem 1.6rem; margin: 1.4rem 0; }
main > section.bad { border-left: 4px solid var(--bad); }
section > .lead { font-size: 1.03rem; }
footer { padding-top: .5rem; padding-bottom: 3rem; color: var(--soft); font-size: .9rem; }
nav ul { list-style: none; margin: 0; padding: 0; columns: 21rem 3; column-gap: 2rem; }
nav li { break-inside: avoid; padding: .12rem 0; }
nav li ul { columns: auto; padding-left: 1.3rem; font-size: .93em; }
nav .note { font-size: .9em; }
dl { margin: .8rem 0; }
dl > div { display: grid; grid-template-columns: 6rem 1fr; column-gap: 1rem; padding: .12rem 0; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; }
dd > span { display: block; }
header dl { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; font-size: .92em; }
header dl > div { display: flex; gap: .5rem; padding: 0; }
details { border-top: 1px solid var(--line); }
details + details { margin-top: 0; }
summary { cursor: pointer; padding: .55rem 0; }
summary .note { margin-left: .6rem; font-size: .92em; }
main > section.folded { padding-top: .35rem; padding-bottom: .35rem; margin: .5rem 0; }
main > section.folded > details { border-top: 0; }
main > section.folded .lead { display: block; color: var(--soft); padding-left: 1.1rem; }
main > section.folded > details > summary > h2 { display: inline; font-size: 1.02rem;
  font-weight: 600; }
main > section.folded > details[open] { padding-bottom: 1rem; }
pre { background: var(--code); border-radius: 6px; padding: .9rem 1rem; margin: .4rem 0 .9rem;
  overflow: auto;
  max-height: 32rem; line-height: 1.45; tab-size: 4; }
pre.bad { color: var(--bad); background: var(--bad-tint); white-space: pre-wrap; }
.story { background: var(--bad-tint); border-radius: 8px; padding: 1.1rem 1.3rem; margin: .9rem 0; }
.story h3 { margin: 0; font-size: 1.05rem; }
.story .way { margin: .3rem 0 0; } .story .place { color: var(--soft); }
.next { margin-top: .9rem; }
.next ul { list-style: none; margin: .3rem 0 0; padding: 0; }
.next li { padding: .22rem 0; }
.next code { background: var(--code); padding: .12rem .4rem; border-radius: 4px;
  overflow-wrap: anywhere; }
.next .note { display: block; font-size: .92em; }
.drawing { overflow: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); margin: .6rem 0; }
.drawing svg { display: block; margin: 0 auto; }
"""
_TABLES: Final = """
.wide { overflow: auto; max-height: min(80vh, 60rem); border: 1px solid var(--line);
  border-radius: 8px;
  margin: .6rem 0 1rem; background: var(--card); }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .93em;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; }
th, td { padding: .42rem .8rem; text-align: left; vertical-align: top; }
td { border-top: 1px solid var(--line); }
thead th { position: sticky; top: 0; z-index: 1; background: var(--code); color: var(--soft);
  font-weight: 600;
  font-size: .92em; white-space: nowrap; }
tr.group th { border-top: 1px solid var(--line); padding-top: .9rem; font-weight: 650; }
td span { display: block; } td .note { font-size: .93em; }
td.quiet { opacity: .75; }
tr.bad td { background: var(--bad-tint); }
.checks td:nth-child(4) { min-width: 12rem; }
.judged td:last-child { min-width: 18rem; width: 38%; }
.judged td:last-child .note { display: inline; margin-left: .3rem; }
.judged tr.good td:last-child::first-line { color: var(--good); }
td:has(> .mark) { width: 1.6rem; padding-right: 0; }
.facts-cell { white-space: nowrap; }
.filter { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; margin: .6rem 0;
  font-size: .93em; }
.filter label { color: var(--soft); }
.filter input, .filter select { font: inherit; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: .3rem .5rem; max-width: 15rem; }
.filter input { min-width: 13rem; }
.filter output { color: var(--soft); margin-left: auto; }
[hidden] { display: none !important; }
"""
_SEQUENCE: Final = """
.drawing .topology .paper { fill: none; }
.sequence text { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.sequence .middle { text-anchor: middle; }
.sequence .name { font-size: 13px; font-weight: 600; stroke: none; }
.sequence .quiet { fill: var(--soft); }
.sequence .packet { font-weight: 700; }
.sequence .new { fill: var(--change); font-weight: 700; }
.sequence .head { fill: var(--code); stroke: var(--soft); }
.sequence .head + text + .quiet { stroke: none; }
.sequence .life { stroke: var(--soft); stroke-dasharray: 3 4; }
.sequence .across { stroke: var(--line); }
.sequence .way, .sequence .reply { stroke: var(--link); stroke-width: 2; }
.sequence .reply { stroke-dasharray: 7 4; }
.sequence .tip { fill: var(--link); }
.sequence .note { fill: var(--card); stroke: var(--change); }
.sequence .note ~ text { stroke: none; }
.sequence .note.bad, .sequence .cross { stroke: var(--bad); }
.sequence .cross { stroke-width: 3; stroke-linecap: round; }
.sequence text.bad { fill: var(--bad); }
"""
SEQUENCE_STYLE: Final = _COLOURS + _SEQUENCE
"""Of a sequence diagram that stands for itself."""
_NARROW: Final = """
@media screen and (max-width: 40rem) {
  body { font-size: 14.5px; } body > * { padding: 0 .9rem; } header { padding-top: 1.3rem; }
  h1 { font-size: 1.5rem; }
  main > section, .box { padding: 1rem; } .story { padding: .9rem; }
  nav ul { columns: auto; }
  main dl > div { grid-template-columns: 1fr; padding: .2rem 0; } main dt { font-size: .92em; }
  .filter input, .filter label, .filter select { width: 100%; max-width: none; }
  .filter label { display: grid; grid-template-columns: 7rem 1fr; align-items: center; }
  .filter output { margin-left: 0; }
  .wide:not(:has(.filtered)) { max-height: none; }
  table, tbody, tbody tr, tbody td, tr.group th { display: block; }
  thead { display: none; }
  tbody tr { border-top: 1px solid var(--line); padding: .5rem .8rem; }
  tbody tr.bad { background: var(--bad-tint); } tr.bad td { background: none; }
  tbody td { border: 0; padding: .1rem 0; display: grid; grid-template-columns: 6.6rem 1fr;
    column-gap: .6rem; }
  tbody td:empty, td.quiet { display: none; }
  tbody td::before { color: var(--soft); grid-row: 1 / span 9; }
  tbody td > * { grid-column: 2; min-width: 0; }
  tr.group th { padding: .9rem .8rem .1rem; }
  tbody td:has(> .mark) { width: auto; display: block; float: left; padding-right: .6rem; }
  .facts-cell { white-space: normal; }
}
"""
_PAPER: Final = """
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --good: #14532d; --bad: #8f1d16; --bad-tint: #fff; --link: #000; --code: #fff;
    --change: #000; }
  body { font-size: 10pt; } body > * { max-width: none; padding: 0; }
  .filter { display: none !important; }
  .wide, pre, .drawing { overflow: visible; max-height: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); }
  .drawing svg { max-width: 100%; height: auto; }
  thead th { position: static; } tr, .story, .drawing, nav li { break-inside: avoid; }
  h2, h3, h4, summary { break-after: avoid; }
  main > section { padding: .8rem 0; border-width: 1px 0 0; border-radius: 0; }
  main > section.bad { border-left: 0; }
  td { overflow-wrap: anywhere; } th, td { padding: .3rem .4rem; min-width: 0 !important; }
  .story { border: 1px solid var(--bad); } a { text-decoration: none; }
}
"""
_STILL: Final = """
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""


def style_sheet(heads: Iterable[tuple[str, tuple[str, ...]]], more: str = "") -> str:
    """Return the style sheet of a page.

    Args:
        heads: tables by their class, with the headings that their cells have on a narrow screen.
        more: the style sheet of the pictures.
    """
    narrow = "\n".join(
        f"  .{kind} td:nth-child({place})::before {{ content: {_quoted(head)}; }}"
        for kind, words in heads
        for place, head in enumerate(words, start=1)
        if head
    )
    labels = f"@media screen and (max-width: 40rem) {{\n{narrow}\n}}\n"
    return "".join(
        [_COLOURS, _TEXT, _PARTS, _TABLES, _SEQUENCE, _NARROW, labels, more, _PAPER, _STILL]
    )


def _quoted(text: str) -> str:
    """A string of CSS; what is neither a letter nor a digit by its number (CSS Syntax 3, 4.3.7)."""
    inside = (each if each.isascii() and each.isalnum() else f"\\{ord(each):x} " for each in text)
    return f'"{"".join(inside)}"'
