"""Flow tables come piece by piece: a large one need not be in memory as text."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from msgspec import structs

from labkit.probe.table import FlowTable, flow_row, flow_table, to_json
from labkit.report import render_tables, tables_in_pieces
from tests.unit.report.examples import masqueraded
from tests.unit.report.test_flow_table_json import CLUSTER

MOST: int = 8192
"""Characters of a piece; a Service port has ten flows here."""


def table(services: int) -> FlowTable:
    row = flow_row(masqueraded())
    rows = [
        structs.replace(row, service=f"default/s-{n}", source=f"client-{m}")
        for n in range(services)
        for m in range(10)
    ]
    return flow_table(CLUSTER, rows, kernel_release="6.18.0")


@pytest.mark.parametrize("fmt", ["table", "markdown", "json"])
def test_no_piece_grows_with_the_table(fmt: str) -> None:
    small, large = (list(tables_in_pieces([table(n)], fmt)) for n in (2, 200))

    assert max(map(len, large)) <= MOST
    assert len(large) > 50 * len(small) / 2
    assert "".join(large) == render_tables([table(200)], fmt)


@pytest.mark.parametrize("fmt", ["table", "markdown", "json"])
def test_the_text_of_a_table_is_never_whole_in_memory(fmt: str) -> None:
    large = table(400)
    list(tables_in_pieces([table(1)], fmt))  # what is imported by then stays
    tracemalloc.start()
    try:
        characters = sum(len(piece) for piece in tables_in_pieces([large], fmt))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < characters / 2


@pytest.mark.parametrize("services", [0, 1, 3])
def test_the_pieces_of_json_are_the_table(services: int) -> None:
    assert render_tables([table(services)], "json") == to_json(table(services)) + "\n"


def test_the_pieces_of_several_tables_are_an_array_of_them() -> None:
    tables = [table(1), table(0), table(2)]

    found = render_tables(tables, "json")

    assert found == json.dumps([json.loads(to_json(each)) for each in tables], indent=2) + "\n"


def test_columns_line_up_from_the_first_service_to_the_last() -> None:
    wide = table(3)
    last = structs.replace(wide.flows[-1], source="a-client-with-a-long-name")
    text = render_tables([structs.replace(wide, flows=(*wide.flows[:-1], last))], "table")

    rows = [line for line in text.splitlines() if "client-" in line]
    assert len(rows) == 30
    assert len({line.index("NodePort") for line in rows}) == 1
