"""Reports as JSON, and several machines' runs together."""

from __future__ import annotations

import json

import msgspec
import pytest

from labkit.bench.results import LeftOut, Run, from_json, merged, schema, to_json
from labkit.errors import UsageError
from labkit.probe.table import Kernel
from tests.unit.bench.examples import MACHINE, measured, reported

REPORT = reported(measured("floor", [1.0, 2.0]), left_out=[LeftOut(contestant="m", why="no")])


def test_a_stored_report_is_read_as_it_was() -> None:
    assert from_json(to_json(REPORT).encode(), where="x.json") == REPORT


def test_json_names_its_schema_and_the_machine() -> None:
    found = json.loads(to_json(REPORT))

    assert found["schema"] == "labkit.dev/bench/v1"
    assert (found["seed"], found["rounds"], found["date"]) == (7, 3, "2026-01-02T03:04:05Z")
    machine = found["runs"][0]["machine"]
    assert (machine["cores"], machine["load"]) == (2, 0.5)
    assert machine["kernel"] == {"kind": "host", "release": "6.18.0"}
    assert machine["versions"] == {"labkit": "0.1.0", "Python": "3.11.2"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"nonsense", "x.json: this is no report of labkit bench: "),
        (b'{"schema": "labkit.dev/diff/v1"}', "x.json: this is no report of labkit bench: "),
        (
            to_json(REPORT).replace("bench/v1", "bench/v9").encode(),
            "x.json: schema is 'labkit.dev/bench/v9', expected 'labkit.dev/bench/v1'",
        ),
    ],
)
def test_what_is_no_report_is_told_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}"):
        from_json(data, where="x.json")


def test_what_one_machine_measured_is_one_run() -> None:
    busy = msgspec.structs.replace(MACHINE, load=3.0)
    guest = msgspec.structs.replace(MACHINE, kernel=Kernel(kind="uml", release="6.1"))
    lacking = LeftOut(contestant="mininet", why="no")
    one, two, other = measured("a", [1.0]), measured("b", [1.0]), measured("c", [1.0])

    found = merged(
        [
            Run(machine=MACHINE, measurements=(one,), left_out=(lacking,)),
            Run(machine=guest, measurements=(other,)),
            Run(machine=busy, measurements=(two,), left_out=(lacking,)),
        ]
    )

    assert found == (
        Run(machine=busy, measurements=(one, two), left_out=(lacking,)),
        Run(machine=guest, measurements=(other,)),
    )


def test_the_schema_has_the_reports_name() -> None:
    assert schema()["title"] == "labkit.dev/bench/v1"
