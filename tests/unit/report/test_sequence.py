"""The sequence diagram of a path: which hosts, which arrows, what changed and where it ended."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from ipaddress import IPv4Address

from labkit.probe.flow import Outcome
from labkit.report import render_results
from labkit.report.evidence import Evidence
from labkit.report.paths.sequence import Noted, Said, Sent, sequence_diagram, steps_of
from labkit.trace.packet import Direction
from labkit.trace.path import Address, Change, End, Fate, Hop, HostKind, Leg, Path
from tests.unit.report.drawn import cluster_of
from tests.unit.report.examples import CLUSTER_IP, failing, result

CLIENT = Address(IPv4Address("192.168.0.100"), 40000)
SERVICE = Address(IPv4Address("10.96.0.1"), 80)
POD = Address(IPv4Address("10.244.1.2"), 80)
IN, OUT = Direction.IN, Direction.OUT
DNAT = Change(
    field="destination",
    before=SERVICE,
    after=POD,
    by="KUBE-SEP-A",
    chains=("PREROUTING", "KUBE-SEP-A"),
    rule="-A KUBE-SEP-A -j DNAT",
)


def hop(
    host: str, kind: HostKind, way: Direction, source: Address, to: Address, *changes: Change
) -> Hop:
    return Hop(
        host=host,
        kind=kind,
        interface="eth0",
        direction=way,
        source=source,
        destination=to,
        changes=changes,
    )


REQUEST = Leg(
    packet="SYN",
    hops=(
        hop("client", HostKind.CLIENT, OUT, CLIENT, SERVICE),
        hop("node1", HostKind.NODE, IN, CLIENT, SERVICE),
        hop("node1", HostKind.NODE, OUT, CLIENT, POD, DNAT),
        hop("web-1", HostKind.POD, IN, CLIENT, POD),
    ),
    end=End(fate=Fate.DELIVERED, host="web-1"),
)
REPLY = Leg(
    packet="SYN, ACK",
    hops=(
        hop("web-1", HostKind.POD, OUT, POD, CLIENT),
        hop("node1", HostKind.NODE, IN, POD, CLIENT),
    ),
    end=End(fate=Fate.DROPPED, host="node1", by="KUBE-FORWARD", rule="-A KUBE-FORWARD -j DROP"),
    is_reply=True,
)
PATH = Path(
    flow=CLUSTER_IP,
    dataplane="iptables",
    legs=(REQUEST, REPLY),
    outcome=Outcome.TIMED_OUT,
    verdict="timed out: KUBE-FORWARD dropped the answer",
)


def test_an_arrow_goes_from_each_host_to_the_next() -> None:
    arrows = [step for step in steps_of(PATH) if isinstance(step, Sent)]

    assert [(each.start, each.end, each.reply) for each in arrows] == [
        ("client", "node1", False),
        ("node1", "web-1", False),
        ("web-1", "node1", True),
    ]
    assert [each.changed for each in arrows] == [set(), {"destination"}, set()]


def test_what_changed_and_where_a_packet_ended_is_noted_between_the_arrows() -> None:
    kinds = [type(step) for step in steps_of(PATH)]
    notes = [step for step in steps_of(PATH) if isinstance(step, Noted)]

    assert kinds == [Said, Sent, Noted, Sent, Said, Sent, Noted]
    assert [(each.host, " ".join(each.lines), each.bad) for each in notes] == [
        ("node1", "destination becomes 10.244.1.2:80 by KUBE-SEP-A", False),
        ("node1", "dropped on node1 by KUBE-FORWARD", True),
    ]
    assert "-A KUBE-SEP-A -j DNAT" in notes[0].tip
    assert notes[1].tip == "-A KUBE-FORWARD -j DROP"


def test_everything_is_inside_of_the_picture() -> None:
    long = replace(DNAT, by="KUBE-SEP-" + "X" * 120, after=Address(POD.ip, 65535))
    wide = replace(REQUEST, hops=(replace(REQUEST.hops[0], changes=(long,)), *REQUEST.hops[1:]))
    svg = sequence_diagram(replace(PATH, legs=(wide, REPLY)), "p")

    width, height = (int(found) for found in re.findall(r'(?:width|height)="(\d+)"', svg)[:2])
    for x, box in re.findall(r'<rect class="[^"]*" x="(-?\d+)" y="-?\d+" width="(\d+)"', svg):
        assert int(x) >= 0
        assert int(x) + int(box) <= width
    for y in re.findall(r' y\d?="(-?\d+)"', svg):
        assert 0 <= int(y) <= height


def test_who_cannot_see_it_is_told_all_of_it() -> None:
    svg = sequence_diagram(PATH, "p")

    (described,) = re.findall(r'<desc id="p-desc">(.*?)</desc>', svg)
    for said in ("client to node1", "to 10.244.1.2:80", "dropped on node1 by KUBE-FORWARD"):
        assert said in described
    assert 'aria-labelledby="p-title p-desc"' in svg


def test_a_path_without_packets_has_no_picture() -> None:
    assert sequence_diagram(replace(PATH, legs=()), "p") == ""


def test_names_do_not_become_markup() -> None:
    class Tags(HTMLParser):
        found: tuple[str, ...] = ()

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            self.found += (tag,)

    evil = "<script>x</script>"
    legs = (replace(REQUEST, hops=tuple(replace(each, host=evil) for each in REQUEST.hops)),)
    parser = Tags()
    parser.feed(sequence_diagram(replace(PATH, legs=legs), "p"))

    assert "script" not in parser.found


def test_the_story_of_a_failing_check_has_the_packets_way() -> None:
    note = "The packets of 3 flows more that failed were not followed."
    evidence = Evidence(cluster=cluster_of(), paths=(PATH,), notes=(note,))

    html = render_results([result(failing())], "html", evidence=[evidence])

    story = html.partition("<article")[2].partition("</article>")[0]
    assert story.count('<svg class="sequence"') == 1
    assert PATH.verdict in story
    assert note in html
