from __future__ import annotations

import json
import struct
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import UsageError
from labkit.report.paths import PATH_FORMATS, render_paths
from labkit.report.pcapng import pcapng
from labkit.trace.packet import Direction, Packet, TcpFlags
from labkit.trace.path import Path
from labkit.trace.recording import Captured
from tests.unit.report.paths import (
    ASKED,
    CLIENT,
    CONNECTED,
    DNAT,
    DROPPED,
    NOT_SENT,
    POD,
    REPLY,
    REQUEST,
    SILENT,
    hop,
)

STORY = """\
client -> 192.168.0.2:30080 TCP: NodePort node2 of default/my-nginx:http, iptables

  SYN
   1  client  eth0 out              192.168.0.100:40000 -> 192.168.0.2:30080
   2  node2   eth0 in               192.168.0.100:40000 -> 192.168.0.2:30080
        destination becomes 10.244.1.2:80 by KUBE-SEP-A
          PREROUTING > KUBE-SERVICES > KUBE-SEP-A
        source becomes 192.168.0.2:50000 by KUBE-POSTROUTING, as KUBE-EXT-A had marked it
   3  node2   cni0, veth-web-1 out  192.168.0.2:50000   -> 10.244.1.2:80
   4  web-1   eth0 in               192.168.0.2:50000   -> 10.244.1.2:80
      delivered to web-1

  SYN, ACK (the answer)
   1  web-1   eth0 out  10.244.1.2:80     -> 192.168.0.2:50000
   2  client  eth0 in   192.168.0.2:30080 -> 192.168.0.100:40000
      delivered to client

connected: web-1 answered, and saw 192.168.0.2 (node2) instead of client
specified: connected by web-1, source node2: node2 masquerades it
8 more packets follow; --packets N shows them
"""


def test_a_path_reads_as_a_picture() -> None:
    assert render_paths([CONNECTED], "table", unicode=False) == STORY


def test_a_drop_tells_chain_way_and_rule() -> None:
    told = render_paths([SILENT], "table")

    assert "SYN (sent 2 times)" in told
    assert "dropped on node2 by KUBE-EXTERNAL-SERVICES" in told
    assert "INPUT > KUBE-EXTERNAL-SERVICES" in told
    assert '--comment "no local endpoints" -j DROP' in told


def test_what_rules_rewrote_and_then_dropped_reached_no_program() -> None:
    rewritten = replace(hop("node2", "", Direction.IN, CLIENT, POD), changes=(DNAT,))
    dropped = replace(DROPPED, hops=(*DROPPED.hops, rewritten))
    told = render_paths([replace(SILENT, legs=(dropped,))], "table", unicode=False)

    assert "node2   rules     192.168.0.100:40000 -> 10.244.1.2:80" in told
    assert "program" not in told


def test_what_was_never_sent_and_what_was_not_watched_are_told() -> None:
    told = render_paths([NOT_SENT], "table")

    assert "client sent nothing" in told
    assert "does not trace rules on node2" in told


def test_paths_of_several_attempts_say_how_many_went_each_way() -> None:
    told = render_paths([replace(CONNECTED, attempts=7), replace(SILENT, attempts=3)], "table")

    assert "7 of 10 attempts" in told
    assert "3 of 10 attempts" in told


def test_a_packet_that_went_in_circles_is_cut_short() -> None:
    circle = tuple(
        hop(f"node{number % 2}", "eth0", Direction.IN, CLIENT, ASKED) for number in range(60)
    )
    told = render_paths([replace(SILENT, legs=(replace(REQUEST, hops=circle),))], "table")

    assert len(told.splitlines()) < 30
    assert "  60  node1" in told


def test_json_holds_everything_and_addresses_as_text() -> None:
    found = json.loads(render_paths([CONNECTED, SILENT], "json"))

    assert found["schema"] == "labkit.dev/path/v1"
    first, second = found["paths"]
    assert first["legs"][0]["hops"][2]["changes"][0]["after"] == "10.244.1.2:80"
    assert first["flow"]["address"] == "192.168.0.2"
    assert first["outcome"] == "connected"
    assert second["legs"][0]["end"]["by"] == "KUBE-EXTERNAL-SERVICES"


def test_the_sequence_diagram_has_a_line_for_each_crossing_and_a_note_for_each_rewrite() -> None:
    lines = render_paths([CONNECTED], "mermaid").splitlines()

    assert lines[0] == "sequenceDiagram"
    assert sum("->>" in line and "-->>" not in line for line in lines) == 2
    assert sum("-->>" in line for line in lines) == 1
    assert sum("becomes" in line for line in lines) == 2


def test_the_picture_holds_every_path_below_the_other_and_what_its_reader_needs() -> None:
    told = render_paths([CONNECTED, SILENT, NOT_SENT], "svg")

    svg = ElementTree.fromstring(told)  # noqa: S314 - our own
    assert svg.get("viewBox") == f"0 0 {svg.get('width')} {svg.get('height')}"
    texts = ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(SILENT.verdict.startswith(text) for text in texts if len(text) > 20) == 1
    assert any("client sent nothing" in text for text in texts)
    assert "prefers-color-scheme: dark" in told
    assert "http" not in told.replace("http://www.w3.org/2000/svg", "").replace(":http", "")


def test_markdown_holds_the_diagram_and_a_table_of_each_packet() -> None:
    told = render_paths([CONNECTED], "markdown")

    assert told.count("```mermaid") == 1
    assert "| 3 | node2 | cni0, veth-web-1 out |" in told


@settings(deadline=None)
@given(st.text())
@pytest.mark.parametrize("fmt", PATH_FORMATS)
def test_any_name_leaves_every_format_whole(fmt: str, name: str) -> None:
    hops = tuple(replace(each, host=name) for each in REQUEST.hops)
    flow = replace(CONNECTED.flow, source=name, service=name, port=name)
    path = replace(CONNECTED, flow=flow, legs=(replace(REQUEST, hops=hops), REPLY), verdict=name)

    told = render_paths([path], fmt)

    assert told.endswith("\n")
    assert "\x1b" not in told
    if fmt == "svg":
        ElementTree.fromstring(told)  # noqa: S314 - our own
    if fmt == "json":
        assert json.loads(told)["paths"][0]["verdict"] == name


def test_an_unknown_format_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="table, markdown, mermaid, json, svg, html"):
        render_paths([CONNECTED], "junit")


def captured(path: Path, *, flags: TcpFlags = TcpFlags.SYN) -> list[Captured]:
    return [
        Captured(
            each.host,
            Packet(
                direction=each.direction,
                time_ns=1_700_000_000_250_000_000 + place * 10**9,
                interface=each.interface,
                source=each.source.ip,
                sport=each.source.port,
                destination=each.destination.ip,
                dport=each.destination.port,
                protocol=6,
                flags=flags,
            ),
            b"E" * (41 + place),
        )
        for place, each in enumerate(path.legs[0].hops)
    ]


def test_a_capture_has_an_interface_for_each_place_and_comments_on_its_packets() -> None:
    blocks = list(read_blocks(pcapng(captured(CONNECTED), [CONNECTED])))

    assert [kind for kind, _ in blocks[:2]] == [0x0A0D0D0A, 1]
    names = [options(body[8:])[2] for kind, body in blocks if kind == 1]
    assert names == [
        b"client eth0",
        b"node2 eth0",
        b"node2 cni0",
        b"node2 veth-web-1",
        b"web-1 eth0",
    ]
    packets = [body for kind, body in blocks if kind == 6]
    numbers = [struct.unpack_from("=I", body)[0] for body in packets]
    assert numbers == [0, 1, 2, 3, 4]
    high, low, length = struct.unpack_from("=III", packets[2], 4)
    assert (high << 32 | low) == 1_700_000_002_250_000_000
    told = options(packets[2][20 + length + -length % 4 :])
    assert b"destination becomes 10.244.1.2:80 by KUBE-SEP-A" in told[1]
    assert struct.unpack("=I", told[2]) == (2,)


def test_later_packets_of_the_connection_have_no_comment_of_the_first() -> None:
    later = captured(CONNECTED, flags=TcpFlags.ACK)

    told = pcapng([*captured(CONNECTED), *later], [CONNECTED])

    assert told.count(b"delivered to web-1") == 1
    assert told.count(b"by KUBE-SEP-A") == 1


def read_blocks(data: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset < len(data):
        kind, length = struct.unpack_from("=II", data, offset)
        assert struct.unpack_from("=I", data, offset + length - 4) == (length,)
        assert length % 4 == 0
        found.append((kind, data[offset + 8 : offset + length - 4]))
        offset += length
    return found


def options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while True:
        code, length = struct.unpack_from("=HH", data, offset)
        if code == 0:
            return found
        found[code] = data[offset + 4 : offset + 4 + length]
        offset += 4 + length + -length % 4
