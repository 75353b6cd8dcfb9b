"""What is said of deviations, and what flows beyond the recordings come to."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from labkit.cluster.build import build_cluster
from labkit.errors import UsageError
from labkit.probe.compare import flow_of, seen_of
from labkit.probe.flow import Outcome, Via
from labkit.probe.plan import flows
from labkit.probe.table import FlowRow
from labkit.semantics.causes import Side, reason
from labkit.semantics.deviations import BY_TRAIT, Deviation, unseen
from labkit.semantics.flows import Prediction
from labkit.semantics.predict import predict
from labkit.semantics.traits import AGES, TRAITS, Trait, traits_of
from tests.many_policies import VARIANTS, every_policy
from tests.unit.semantics.as_predicted import seen

for_every_deviation = pytest.mark.parametrize(
    "deviation", BY_TRAIT.values(), ids=lambda deviation: deviation.name
)


def test_every_trait_has_a_deviation() -> None:
    assert set(BY_TRAIT) == set(Trait)


def test_every_trait_is_one_of_some_data_planes_and_not_of_all() -> None:
    having = [trait for traits in TRAITS.values() for trait in traits]
    aged = {age.trait for age in AGES}

    assert set(having) | aged == set(Trait)
    assert all(having.count(trait) < len(TRAITS) for trait in Trait)


@for_every_deviation
def test_a_deviation_says_who_does_what_where_that_stands_and_what_to_do(
    deviation: Deviation,
) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|scheduler", deviation.name)
    assert "{having}" in deviation.sentence
    assert "{lacking}" in deviation.sentence
    assert re.search(r"https://|KEP-|pkg/proxy/", deviation.source)
    assert deviation.losing.endswith(".")
    assert deviation.winning.endswith(".")


def test_a_data_plane_that_nothing_is_known_of_is_refused() -> None:
    with pytest.raises(UsageError, match="there are: iptables, ipvs, nftables, none"):
        traits_of("ebpf")


# --- flows that the plan does not ask, and those that recordings lack ---

PLAIN = build_cluster(every_policy())
BRIDGE_OF_NODE_2 = "10.244.2.1"


def row(
    source: str, service: str, via: Via, address: str, dport: int = 80, node: str | None = None
) -> FlowRow:
    return FlowRow(
        source=source,
        service=f"default/{service}",
        port="http",
        protocol=PLAIN.services[0].ports[0].protocol,
        via=via,
        node=node,
        address=address,
        dport=dport,
        attempts=1,
        outcome=Outcome.CONNECTED,
        outcomes={},
        backends={},
        sources_seen={},
        client_sources=(),
    )


def predicted(dataplane: str, asked: FlowRow) -> Prediction:
    flow = flow_of(PLAIN, asked)
    assert flow is not None
    found = predict(PLAIN, flow, traits_of(dataplane))
    assert found is not None
    return found


def outcomes(dataplane: str, asked: FlowRow) -> set[str]:
    return {each.outcome for each in predicted(dataplane, asked).deliveries}


def causes(before: str, after: str, asked: FlowRow) -> set[Trait]:
    """Names of the difference if both data planes do as predicted."""
    flow = flow_of(PLAIN, asked)
    assert flow is not None
    found = reason(PLAIN, flow, _as_predicted(before, asked), _as_predicted(after, asked))
    return {each.trait for each in found.deviations}


def _as_predicted(dataplane: str, asked: FlowRow) -> Side:
    return Side(traits=traits_of(dataplane), seen=seen(predicted(dataplane, asked)))


NODE_PORT_ON_BRIDGE = row("web-2", "cluster", Via.NODE_PORT, BRIDGE_OF_NODE_2, 30002, "node2")
OTHER_CLUSTER_IP_PORT = row("web-1", "cluster", Via.CLUSTER_IP, "10.96.0.2", 81)
OTHER_EXTERNAL_PORT = row("web-1", "cluster", Via.EXTERNAL_IP, "203.0.113.102", 81)
OWN_CALL_TO_LOCAL = row("node3", "local", Via.EXTERNAL_IP, "203.0.113.110")
OWN_CALL_TO_EMPTY = row("node1", "empty", Via.EXTERNAL_IP, "203.0.113.104")
INTERNAL_WITHOUT_ENDPOINT = row("other-3", "internal", Via.CLUSTER_IP, "10.96.0.9")
RANGE_OF_EVERYTHING = row("client", "ranges-any", Via.LOAD_BALANCER, "203.0.113.13")
EMPTY_WITH_RANGES = row("client", "empty-ranges", Via.LOAD_BALANCER, "203.0.113.6")


@pytest.mark.parametrize(
    ("asked", "iptables", "nftables", "ipvs"),
    [
        (NODE_PORT_ON_BRIDGE, "connected", "refused", "connected"),
        (OTHER_CLUSTER_IP_PORT, "timeout", "refused", "refused"),
        (OTHER_EXTERNAL_PORT, "timeout", "timeout", "refused"),
        (OWN_CALL_TO_LOCAL, "connected", "connected", "timeout"),
        (OWN_CALL_TO_EMPTY, "timeout", "refused", "refused"),
        (INTERNAL_WITHOUT_ENDPOINT, "timeout", "timeout", "refused"),
        (RANGE_OF_EVERYTHING, "connected", "connected", "timeout"),
        (EMPTY_WITH_RANGES, "refused", "timeout", "timeout"),
    ],
)
def test_data_planes_part_where_they_are_known_to(
    asked: FlowRow, iptables: str, nftables: str, ipvs: str
) -> None:
    assert outcomes("iptables", asked) == {iptables}
    assert outcomes("nftables", asked) == {nftables}
    assert outcomes("ipvs", asked) == {ipvs}


@pytest.mark.parametrize(
    ("before", "after", "asked", "trait"),
    [
        ("ipvs", "nftables", NODE_PORT_ON_BRIDGE, Trait.PRIMARY_NODE_PORTS),
        ("iptables", "nftables", OTHER_CLUSTER_IP_PORT, Trait.REFUSES_CLUSTER_IP_PORTS),
        ("ipvs", "nftables", OTHER_EXTERNAL_PORT, Trait.REFUSES_EXTERNAL_PORTS),
        ("ipvs", "nftables", OWN_CALL_TO_LOCAL, Trait.VIP_IS_OWN_SOURCE),
        ("iptables", "nftables", OWN_CALL_TO_EMPTY, Trait.LETS_OWN_CALLS_GO),
        ("ipvs", "nftables", INTERNAL_WITHOUT_ENDPOINT, Trait.REFUSES_WITHOUT_ENDPOINTS),
        ("ipvs", "iptables", RANGE_OF_EVERYTHING, Trait.SKIPS_ANY_RANGE),
        ("iptables", "nftables", EMPTY_WITH_RANGES, Trait.RANGES_NEED_ENDPOINTS),
        ("iptables", "none", OWN_CALL_TO_LOCAL, Trait.SERVES),
        ("none", "nftables", OWN_CALL_TO_LOCAL, Trait.SERVES),
    ],
)
def test_that_is_what_the_difference_is_called(
    before: str, after: str, asked: FlowRow, trait: Trait
) -> None:
    assert causes(before, after, asked) == {trait}
    assert causes(after, before, asked) == {trait}


@pytest.mark.parametrize("variant", VARIANTS)
def test_whatever_differs_by_prediction_has_a_name(variant: str) -> None:
    cluster = build_cluster(every_policy(**VARIANTS[variant]))
    named = 0
    for asked in flows(cluster, None):
        asking = row(
            asked.source,
            asked.service.removeprefix("default/"),
            asked.via or Via.POD_IP,
            str(asked.address),
            asked.dport,
            asked.node,
        )
        flow = flow_of(cluster, asking)
        if flow is None:
            continue
        for before, after in combinations(TRAITS, 2):
            sides = traits_of(before), traits_of(after)
            one, other = (predict(cluster, flow, traits) for traits in sides)
            assert one is not None
            assert other is not None
            if one == other:
                continue
            first, last = (
                Side(traits=traits, seen=seen(found))
                for traits, found in zip(sides, (one, other), strict=True)
            )
            assert reason(cluster, flow, first, last).deviations
            named += 1
    assert named


def test_what_no_flow_shows_is_said_where_services_are_proxied_on_both_sides() -> None:
    def names(before: str, after: str) -> set[Trait]:
        apart = traits_of(before) ^ traits_of(after)
        return {each.trait for each in unseen(PLAIN, apart)}

    assert names("ipvs", "nftables") == {
        Trait.AFFINITY_PER_ADDRESS,
        Trait.ANSWERS_PING,
        Trait.FORWARDS_INVALID,
        Trait.LEAVES_HEALTH_CHECKS_CLOSED,
        Trait.SCHEDULES,
    }
    assert names("iptables", "nftables") == {
        Trait.FORWARDS_INVALID,
        Trait.LEAVES_HEALTH_CHECKS_CLOSED,
    }
    assert names("ipvs", "none") == set()


def test_out_of_window_packets_are_not_told_of_where_conntrack_is_liberal() -> None:
    liberal = replace(PLAIN, kube_proxy=replace(PLAIN.kube_proxy, tcp_be_liberal=True))

    told = unseen(liberal, traits_of("iptables") ^ traits_of("nftables"))

    assert Trait.FORWARDS_INVALID not in {each.trait for each in told}


def test_health_check_ports_are_told_of_where_a_service_has_one() -> None:
    without = replace(
        PLAIN,
        services=tuple(replace(each, health_check_node_port=None) for each in PLAIN.services),
    )
    told = unseen(without, traits_of("iptables") ^ traits_of("nftables"))

    assert {each.trait for each in told} == {Trait.FORWARDS_INVALID}


def test_session_affinity_is_told_of_where_a_service_has_it() -> None:
    without = replace(PLAIN, services=PLAIN.services[:-1])
    apart = traits_of("ipvs") ^ traits_of("nftables")

    assert PLAIN.services[-1].affinity_timeout_s is not None
    assert Trait.AFFINITY_PER_ADDRESS not in {each.trait for each in unseen(without, apart)}


def test_a_row_that_saw_nothing_but_its_outcome_is_compared_by_that() -> None:
    assert seen_of(OWN_CALL_TO_LOCAL).outcomes == {"connected"}


@for_every_deviation
def test_the_page_on_migration_has_a_deviation_in_its_table(deviation: Deviation) -> None:
    page = Path(__file__).parents[3] / "docs" / "migration.md"

    assert f"| `{deviation.name}` | " in page.read_text()
