"""Reports as JUnit XML: a test suite per scenario, a test case per Check. Pure.

There is no standard; this is what Jenkins, GitLab and pytest agree on. A flow that nothing is
known to expect of is skipped: it was seen, not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from labkit.probe.flow import Observation
from labkit.probe.table import FlowRow, FlowTable, flow_row
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import flow_name, flow_words, specified_words
from labkit.report.text import UNICODE, clean, clean_lines, setting_words

COUNTED: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def results_junit(results: Sequence[ScenarioResult]) -> str:
    """Return the report of `labkit run`."""
    return _document([_scenario(result) for result in results])


def tables_junit(tables: Sequence[FlowTable]) -> str:
    """Return the report of `labkit matrix`."""
    suites = []
    for table in tables:
        suite = _suite(table.scenario, table.dataplane, setting_words(table))
        suite.extend(_flow_cases(table, suite.attrib["name"]))
        suites.append(suite)
    return _document(suites)


def _scenario(result: ScenarioResult) -> Element:
    suite = _suite(result.scenario, result.dataplane, setting_words(result))
    suite.set("time", f"{result.elapsed_s:.3f}")
    name = suite.attrib["name"]
    suite.extend(_check_case(check, name) for check in result.checks)
    if result.table is not None:
        suite.extend(_flow_cases(result.table, name))
    if result.error is not None:
        case = _case("the lab runs", name, file=result.path)
        error = SubElement(case, "error", message=clean(result.error.partition("\n")[0]))
        error.text = clean_lines(result.error)
        suite.append(case)
    return suite


def _suite(scenario: str, dataplane: str, setting: str) -> Element:
    suite = Element("testsuite", name=f"{clean(scenario)} [{clean(dataplane)}]")
    SubElement(SubElement(suite, "properties"), "property", name="setting", value=setting)
    return suite


def _case(name: str, suite: str, *, file: str | None = None) -> Element:
    case = Element("testcase", classname=suite, name=clean(name))
    if file is not None:
        case.set("file", clean(file))
    return case


def _check_case(check: CheckResult, suite: str) -> Element:
    case = _case(check.name, suite, file=check.location.file if check.location else None)
    if check.location is not None:
        case.set("line", str(check.location.line))
    case.set("time", f"{check.elapsed_s:.3f}")
    if not check.passed:
        failure = SubElement(case, "failure", message=clean("; ".join(check.differences)))
        failure.text = "\n".join(_failure(check))
    return case


def _failure(check: CheckResult) -> Iterator[str]:
    yield from map(clean, check.differences)
    yield clean(f"expected: {check.expected}")
    yield from (f"seen: {_seen(observation)}" for observation in check.observations)
    yield from map(clean, check.specified)
    if check.location is not None:
        yield clean(str(check.location))
    if check.command:
        yield clean(f"next: {check.command}")


def _seen(observation: Observation) -> str:
    row = flow_row(observation)
    return f"{flow_name(row, UNICODE)}: {flow_words(row, UNICODE)}"


def _flow_cases(table: FlowTable, suite: str) -> Iterator[Element]:
    for row in table.flows:
        case = _case(flow_name(row, UNICODE), suite)
        seen = flow_words(row, UNICODE)
        if row.agrees is None:
            SubElement(case, "skipped", message=f"not judged; seen: {seen}")
        elif not row.agrees:
            _disagreement(case, row, seen)
        yield case


def _disagreement(case: Element, row: FlowRow, seen: str) -> None:
    words = specified_words(row)
    failure = SubElement(case, "failure", message=f"specified: {words}; seen: {seen}")
    failure.text = f"specified: {words}\nseen: {seen}"


def _document(suites: Sequence[Element]) -> str:
    root = Element("testsuites", name="labkit")
    root.extend(suites)
    for element in (*suites, root):
        element.set("tests", str(len(element.findall(".//testcase"))))
        for attribute, tag in COUNTED.items():
            element.set(attribute, str(len(element.findall(f".//{tag}"))))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
