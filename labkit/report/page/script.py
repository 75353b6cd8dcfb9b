"""The page's one script: it filters tables, and opens what a link leads to. Pure text.

Everything can be read without it. A table is looked through once for each filter, and the text of
its rows is read once for all.
"""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """
"use strict";
(() => {
  const MOODS = ["good", "bad", "plain"];
  const make = (name, options, parent) => {
    const element = Object.assign(document.createElement(name), options);
    parent.append(element);
    return element;
  };

  const chooser = (form, label, words) => {
    const field = make("label", { textContent: label + " " }, form);
    const select = make("select", {}, field);
    make("option", { value: "", textContent: "all" }, select);
    for (const [value, text] of words) make("option", { value, textContent: text }, select);
    return select;
  };

  const filtered = (table) => {
    const bodies = Array.from(table.tBodies, (body) => {
      const rows = Array.from(body.rows);
      const title = rows[0] && rows[0].classList.contains("group") ? rows.shift() : null;
      return { body, title: title ? title.textContent : "", rows };
    });
    const rows = bodies.flatMap((each) => each.rows.map((row) => ({
      row,
      title: each.title,
      mood: MOODS.find((mood) => row.classList.contains(mood)) || "plain",
      cells: Array.from(row.cells, (cell) => cell.textContent),
    })));
    for (const each of rows) each.text = `${each.title} ${each.cells.join(" ")}`.toLowerCase();

    const form = document.createElement("form");
    form.className = "filter";
    form.setAttribute("role", "search");
    form.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
    const look = { type: "search", placeholder: "Filter", spellcheck: false };
    const search = make("input", look, form);
    search.setAttribute("aria-label", "Words that a row must have");
    const tests = [];
    const add = (label, words, of) => {
      if (words.length < 2) return;
      const select = chooser(form, label, words);
      tests.push((each) => !select.value || of(each) === select.value);
    };
    const distinct = (of) => {
      const words = Array.from(new Set(rows.map(of))).filter(Boolean);
      return words.sort().map((word) => [word, word]);
    };

    const known = JSON.parse(table.dataset.moods || "{}");
    const moods = new Set(rows.map((each) => each.mood));
    const there = MOODS.filter((mood) => moods.has(mood));
    const { judged, grouped } = table.dataset;
    if (judged) add(judged, there.map((mood) => [mood, known[mood] || mood]), (each) => each.mood);
    if (grouped) add(grouped, distinct((each) => each.title), (each) => each.title);
    for (const place of (table.dataset.choose || "").split(" ").filter(Boolean)) {
      const name = table.tHead.rows[0].cells[place].textContent;
      add(name, distinct((each) => each.cells[place]), (each) => each.cells[place]);
    }
    const told = make("output", {}, form);
    told.setAttribute("role", "status");

    const apply = () => {
      const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
      let shown = 0;
      for (const each of rows) {
        const fits = tests.every((test) => test(each))
          && words.every((word) => each.text.includes(word));
        if (each.row.hidden === fits) each.row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      for (const each of bodies) each.body.hidden = each.rows.every((row) => row.hidden);
      told.textContent = `${shown} of ${rows.length} ${table.dataset.counted}`;
    };
    let waiting = 0;
    form.addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(apply);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    table.parentElement.before(form);
    apply();
  };

  const reveal = () => {
    let found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const target = found;
    for (; found; found = found.parentElement) if (found.tagName === "DETAILS") found.open = true;
    if (target) target.scrollIntoView();
  };

  for (const table of document.querySelectorAll("table.filtered")) filtered(table);
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
"""
