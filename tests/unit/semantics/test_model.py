"""The specification model against recordings of the real kube-proxy, and the reasons it gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Protocol
from labkit.errors import UsageError
from labkit.lab.targets import parse
from labkit.manifest.load import load
from labkit.probe.expected import Explanation, explain, judged
from labkit.probe.table import FlowRow
from labkit.semantics.because import Because, of_pods
from tests.recorded import SCENARIOS
from tests.recorded_tables import recorded, recorded_cluster

SAME_WAY = "masquerades it, so that the answer comes back the same way: the pod sees"
EMPTY = "has no ready endpoint, so the packet is dropped"
HIDDEN = "the CNI plugin masquerades what leaves the pod network: the pod sees"
CIRCUIT = "is for callers outside the cluster: pods and nodes reach every endpoint"
HERE = Path(__file__).parents[3] / "scenarios"


def explained(
    scenario: str,
    source: str,
    to: str,
    dataplane: str = "iptables",
    protocol: Protocol = Protocol.TCP,
) -> Explanation:
    cluster = build_cluster(load(HERE / f"{scenario}.yaml"), dataplane=dataplane)
    return explain(cluster, parse(cluster, source, to, protocol))


def judged_rows(dataplane: str, path: Path) -> tuple[FlowRow, ...]:
    cluster = replace(recorded_cluster(path), dataplane=dataplane)
    return judged(cluster, recorded(dataplane, path, cluster)).flows


@pytest.mark.parametrize("dataplane", ["iptables", "nftables", "ipvs"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_model_agrees_with_every_recorded_flow(dataplane: str, path: Path) -> None:
    rows = judged_rows(dataplane, path)

    differing = [row for row in rows if row.agrees is not True]

    assert rows
    assert differing == []


@pytest.mark.parametrize("dataplane", ["iptables", "nftables", "ipvs"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_expectation_has_a_reason(dataplane: str, path: Path) -> None:
    found = [row.expected for row in judged_rows(dataplane, path) if row.expected]

    assert found
    assert all(each.why for each in found)


@pytest.mark.parametrize(
    ("scenario", "source", "to", "sentences"),
    [
        pytest.param(
            "nodeport-cluster",
            "client",
            "node2:30080",
            [
                "externalTrafficPolicy: Cluster, so node2 sends to any ready endpoint",
                f"node2 {SAME_WAY} 192.168.0.2",
            ],
            id="SNAT",
        ),
        pytest.param(
            "nodeport-without-snat",
            "client",
            "node2:30080",
            [
                "externalTrafficPolicy: Cluster, so node2 sends to any ready endpoint",
                (
                    "nothing masquerades it, so web-1 answers past node2: the caller hears from a "
                    "stranger and gives up"
                ),
            ],
            id="a stranger answers",
        ),
        pytest.param(
            "nodeport-without-snat",
            "node1",
            "node2:30080",
            [
                "externalTrafficPolicy: Cluster, so node2 sends to any ready endpoint",
                (
                    "nothing masquerades it, so it comes back to node1 from node1's own address "
                    "192.168.0.1, which a kernel takes from no wire"
                ),
            ],
            id="a node's own packet comes home",
        ),
        pytest.param(
            "nodeport-local-elsewhere",
            "client",
            "node2:30081",
            [f"externalTrafficPolicy: Local, and node2 {EMPTY}"],
            id="dropped",
        ),
        pytest.param(
            "nodeport-local",
            "web-1",
            "node2:30081",
            [
                "externalTrafficPolicy: Local, so node2 sends to its own endpoints only",
                f"{HIDDEN} 192.168.0.1 of node1",
            ],
            id="the CNI plugin hides the pod",
        ),
        pytest.param(
            "nodeport-local",
            "node1",
            "node1:30081",
            [
                f"externalTrafficPolicy: Local {CIRCUIT}",
                f"to web-1: node1 {SAME_WAY} 10.244.1.1",
                f"to web-2: node1 {SAME_WAY} 192.168.0.1",
            ],
            id="short circuit",
        ),
        pytest.param(
            "shared-endpoints",
            "client",
            "node1:30080",
            [
                "externalTrafficPolicy: Cluster, so node1 sends to any ready endpoint",
                f"to web-1, web-3, web-5 and web-7: node1 {SAME_WAY} 192.168.0.1",
                f"to web-2, web-4, web-6 and web-8: node1 {SAME_WAY} 10.244.1.1",
            ],
            id="by the pod's node",
        ),
    ],
)
def test_the_reasons_of_a_flow(scenario: str, source: str, to: str, sentences: list[str]) -> None:
    assert [each.sentence for each in explained(scenario, source, to).reasons] == sentences


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (
            "127.0.0.1",
            "this data plane has no NodePorts on 127.0.0.1, whatever localhostNodePorts says",
        ),
        (
            "10.244.1.1",
            (
                "without nodePortAddresses this data plane serves NodePorts on the primary address "
                "of node1 alone, and 10.244.1.1 is another"
            ),
        ),
    ],
)
def test_nftables_is_not_said_to_be_configured_where_it_has_no_choice(
    address: str, sentence: str
) -> None:
    found = explained("nodeport-localhost", "node1", f"{address}:30080", "nftables")
    assert [each.sentence for each in found.reasons] == [sentence]


def test_of_many_pods_three_are_named() -> None:
    why = Because(sentence="it is so", reference="")
    pods = [f"web-{number}" for number in range(1, 11)]
    assert of_pods(why, pods[:1]).sentence == "to web-1: it is so"
    assert of_pods(why, pods[:4]).sentence == "to web-1, web-2, web-3 and web-4: it is so"
    assert of_pods(why, pods).sentence == "to web-1, web-2, web-3 and 7 more: it is so"


def test_a_reason_that_names_its_pod_is_left_as_it_is() -> None:
    why = Because(sentence="nothing in web-1 listens", reference="")
    assert of_pods(why, ["web-1"]) is why
    assert of_pods(why, []) is why


def test_reasons_follow_the_data_plane() -> None:
    (reason,) = explained("nodeport-local-elsewhere", "client", "node2:30081", "none").reasons

    assert reason.sentence.startswith("this data plane makes no rules")


def test_a_row_that_does_what_the_model_excludes_does_not_agree() -> None:
    rows = judged_rows("iptables", SCENARIOS[0])
    connected = next(row for row in rows if row.outcome == "connected" and row.agrees)
    cluster = replace(recorded_cluster(SCENARIOS[0]), dataplane="iptables")
    table = recorded("iptables", SCENARIOS[0], cluster)
    worse = replace_row(connected)

    (found,) = judged(cluster, structs.replace(table, flows=(worse,))).flows

    assert found.agrees is False


def replace_row(row: FlowRow) -> FlowRow:
    """The same flow, but the pod saw somebody that it cannot have seen."""
    return structs.replace(row, sources_seen={"203.0.113.99": row.attempts})


def test_an_address_of_no_service_is_not_explained() -> None:
    with pytest.raises(UsageError, match="is no address of a Service"):
        explained("nodeport-cluster", "client", "node2:22")


def test_another_protocol_is_proposed_where_a_port_has_it() -> None:
    with pytest.raises(UsageError, match="port 30053 is UDP: give --protocol UDP"):
        explained("udp", "client", "node1:30053")

    found = explained("udp", "client", "node1:30053", protocol=Protocol.UDP)

    assert found.expected.backends == ("dns-1",)


@pytest.mark.parametrize(
    ("source", "outcome", "client_sources"),
    [
        ("client", "timeout", ()),
        ("node1", "connected", ("preserved",)),
        ("web-2", "connected", ("preserved",)),
    ],
)
def test_a_pods_own_address(source: str, outcome: str, client_sources: tuple[str, ...]) -> None:
    found = explained("nodeport-local", source, "web-1").expected

    assert (found.outcome, found.client_sources) == (outcome, client_sources)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("node1", "node1 has a ready endpoint of its own, so it answers 200"),
        ("node2", "node2 has no ready endpoint of its own, so it answers 503"),
    ],
)
def test_a_health_check_port_is_explained(node: str, said: str) -> None:
    found = explained("health-check-node-port", "client", f"{node}:32000")

    assert found.expected.outcome == "connected"
    assert said in found.expected.why
