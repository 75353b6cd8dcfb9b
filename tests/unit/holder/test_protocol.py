"""What is said over a lab's socket, and what becomes of errors on the way."""

from __future__ import annotations

import json
import socket

import pytest

from labkit.cluster.model import Protocol
from labkit.errors import (
    KernelError,
    LabError,
    LabkitError,
    ManifestError,
    MissingFeature,
    UsageError,
)
from labkit.holder.enter import VERSION, asked_for
from labkit.holder.protocol import (
    Apply,
    Asked,
    Check,
    Delete,
    Describe,
    Enter,
    Explain,
    Failure,
    Inventory,
    Logs,
    Manifests,
    Matrix,
    Names,
    Objects,
    Probe,
    Probed,
    Report,
    Rules,
    Texts,
    answer_from,
    error_of,
    failure_of,
    line_of,
    read_line,
    request_from,
)
from labkit.holder.server import check_peer
from labkit.manifest.kinds import Target
from labkit.manifest.load import load_text
from labkit.probe.table import flow_row
from tests.unit.report.examples import seen

REPORT = Report(format="table", color=True, unicode=False)


@pytest.mark.parametrize(
    "request_",
    [
        Describe(),
        Enter(host="web-1"),
        Logs(),
        Apply(file="a.yaml", content=b"\xff\xfe not UTF-8"),
        Delete(kind="Pod", name="web-1"),
        Matrix(sources=["client"], attempts=None, reports=[REPORT]),
        Check(attempts=3, reports=[REPORT]),
        Names(),
        Probe(source="client", to="node2:30080", protocol=Protocol.UDP, attempts=None),
        Explain(source="client", to="web", protocol=Protocol.TCP, report=REPORT),
        Rules(nodes=["node1"]),
        Inventory(what="pods", report=REPORT),
        Manifests(),
    ],
    ids=lambda request: type(request).__name__,
)
def test_a_request_is_one_line_and_comes_out_as_it_went_in(request_: Asked) -> None:
    line = line_of(request_)
    assert line.index(b"\n") == len(line) - 1
    assert json.loads(line)["version"] == VERSION
    assert request_from(line) == request_


def test_the_request_that_exec_writes_by_hand_is_one() -> None:
    line = json.dumps({"do": "enter", "version": VERSION, "host": "web-1"}).encode()
    assert request_from(line) == Enter(host="web-1")


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"[]", b"{", b'{"do": "describe"}', b'{"version": 2, "do": "format"}', b"\xff"],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(UsageError, match="no request of labkit's"):
        request_from(line)


def test_another_version_is_told_what_to_do_whatever_it_asks() -> None:
    line = b'{"version": 77, "do": "what-is-to-come", "more": 1}\n'
    with pytest.raises(UsageError, match=r"speaks version 2 .* asked in 77; .* labkit down"):
        request_from(line)


def wrong_manifest() -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        load_text("kind: Pood\napiVersion: v1\n", file="a.yaml")
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        UsageError("host x does not exist"),
        LabError("it failed"),
        MissingFeature("ip_vs", found="no IPVS", remedy="modprobe ip_vs"),
        wrong_manifest(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_as_it_went_in(error: LabkitError) -> None:
    answer = answer_from(line_of(failure_of(error)))
    assert isinstance(answer, Failure)
    again = error_of(answer)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.exit_status == error.exit_status


def test_an_error_of_a_finer_kind_keeps_text_and_exit_status() -> None:
    error = KernelError("make namespace", errno=1, message="refused")
    again = error_of(failure_of(error))
    assert (str(again), again.exit_status) == (str(error), error.exit_status)


def test_what_is_no_answer_is_told_with_what_to_do() -> None:
    with pytest.raises(LabError, match="labkit down"):
        answer_from(b'{"answer": "what-is-to-come"}\n')


@pytest.mark.parametrize(
    "answer",
    [
        Probed(row=flow_row(seen(backends={"web-1": 20})), to=Target(node="node2", port=30080)),
        Probed(row=flow_row(seen()), to=Target(service="web", port="http")),
        Objects(objects=[{"kind": "Pod", "spec": {"ports": [80, None, True, 1.5]}}]),
    ],
    ids=["a node's port", "a Service's port", "objects"],
)
def test_an_answer_comes_out_as_it_went_in(answer: Probed | Objects) -> None:
    assert answer_from(line_of(answer)) == answer


def test_a_line_may_come_in_pieces() -> None:
    here, there = socket.socketpair()
    with here, there:
        line = line_of(Texts(texts=["x" * 100_000]))
        here.settimeout(5)
        for piece in (line[:7], line[7:60_000], line[60_000:]):
            there.sendall(piece)
        assert read_line(here) == line


def test_ones_own_process_is_let_in() -> None:
    here, there = socket.socketpair()
    with here, there:
        check_peer(here)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["lab", "client", "--", "ls", "-l"], ("lab", "client", ["ls", "-l"])),
        (["lab", "client", "ls", "-l"], ("lab", "client", ["ls", "-l"])),
        (["lab", "client", "--", "--"], ("lab", "client", ["--"])),
        (["lab", "client", "--"], None),
        (["lab", "client"], None),
        (["lab"], None),
        ([], None),
        (["--help"], None),
        (["-h", "client", "ls"], None),
        (["lab", "--", "client", "ls"], None),
    ],
)
def test_the_words_of_exec(words: list[str], asked: object) -> None:
    assert asked_for(words) == asked
