"""Changes of IPVS mode's tables: right whatever came before, and no more than what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster, Endpoint, Service
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.ipvs import messages, sets
from labkit.dataplane.ipvs.changes import TableChanges, table_changes
from labkit.dataplane.ipvs.render import render
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.tables import Member, ServerKey, VirtualServer
from tests.unit.dataplane.clusters import (
    CLUSTER_IP,
    EXTERNAL_IP,
    HERE,
    LB_IP,
    NODE1,
    P80,
    THERE,
    WEB,
    cluster,
)
from tests.unit.dataplane.strategies import changed, clusters
from tests.unit.dataplane.test_updates import OTHER, with_endpoints

ELSEWHERE = replace(THERE, address=IPv4Address("10.180.2.3"))
"""One more endpoint on node2."""


@dataclass
class Kernel:
    """As strict as the kernel: what is there cannot be added, nor taken what is not."""

    members: set[Member] = field(default_factory=set)
    servers: dict[ServerKey, VirtualServer] = field(default_factory=dict)
    addresses: set[IPv4Address] = field(default_factory=set)

    def take(self, what: TableChanges) -> None:
        assert self.members.isdisjoint(what.new_members)
        assert self.members.issuperset(what.gone_members)
        assert self.addresses.isdisjoint(what.new_addresses)
        assert self.addresses.issuperset(what.gone_addresses)
        self.members = (self.members | set(what.new_members)) - set(what.gone_members)
        self.addresses = (self.addresses | set(what.new_addresses)) - set(what.gone_addresses)
        for before, after in what.servers:
            if before is not None:
                assert self.servers.pop(before.key) == before
            if after is not None:
                assert after.key not in self.servers
                self.servers[after.key] = after

    def holds(self, rules: IpvsRules) -> bool:
        members = {(each.name, entry) for each in rules.ipsets for entry in each.entries}
        return (
            self.members == members
            and set(self.servers.values()) == set(rules.virtual_servers)
            and self.addresses == set(rules.addresses)
        )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_changes_one_after_the_other_end_in_what_a_fresh_start_renders(data: st.DataObject) -> None:
    lab = data.draw(clusters())
    rules = render(lab, NODE1)
    kernel = Kernel()
    kernel.take(table_changes(None, rules))
    for _ in range(data.draw(st.integers(1, 4))):
        lab = data.draw(changed(lab))
        before, rules = rules, render(lab, NODE1, rules)
        kernel.take(table_changes(before, rules))

        fresh = render(lab, NODE1)
        assert rules == fresh
        assert rules.text() == fresh.text()
        assert kernel.holds(fresh)


def many(number: int) -> Cluster:
    """So many Services, each with an endpoint on each node."""
    lab = cluster()
    services = tuple(
        Service(
            key=ObjectName("default", f"svc-{each:05}"),
            cluster_ip=CLUSTER_IP + each,
            ports=(replace(P80, node_port=30000 + each),),
        )
        for each in range(number)
    )
    known = {service.port_name(service.ports[0]): (HERE, THERE) for service in services}
    return replace(lab, services=services, endpoints=known)


def sent(what: TableChanges) -> Sequence[str]:
    """Every message, in words, in the order in which they go."""
    return [
        *(f"release {address}" for address in what.gone_addresses),
        *(str(each.what) for each in messages.additions(what)),
        *(str(each.what) for each in messages.commands(what)),
        *(f"bind {address}" for address in what.new_addresses),
        *(str(each.what) for each in messages.deletions(what)),
    ]


@pytest.mark.parametrize("number", [3, 300])
def test_a_changed_endpoint_is_two_messages_a_server_however_many_there_are(number: int) -> None:
    lab = many(number)
    before = render(lab, NODE1)
    after = render(with_endpoints(lab, lab.services[1], HERE, ELSEWHERE), NODE1, before)

    assert after.iptables is before.iptables
    assert sent(table_changes(before, after)) == [
        f"{what} {server} (protocol 6)"
        for server in ("172.30.0.42:80", "192.168.0.1:30001", "10.180.1.1:30001")
        for what in ("add real server 10.180.2.3:80 to", "delete real server 10.180.2.2:80 of")
    ]


@pytest.mark.parametrize("number", [3, 300])
def test_a_new_service_is_a_message_for_each_thing_of_its_own(number: int) -> None:
    lab = many(number + 1)
    before = render(replace(lab, services=lab.services[:-1]), NODE1)
    after = render(lab, NODE1, before)
    ip, port = CLUSTER_IP + number, 30000 + number

    assert sent(table_changes(before, after)) == [
        f"add {ip},6,80 to ipset KUBE-CLUSTER-IP",
        f"add {ip} to ipset KUBE-IPVS-IPS",
        f"add {port} to ipset KUBE-NODE-PORT-TCP",
        *(
            f"add {what}{server} (protocol 6)"
            for server in (f"{ip}:80", f"192.168.0.1:{port}", f"10.180.1.1:{port}")
            for what in (
                "virtual server ",
                "real server 10.180.1.2:80 to ",
                "real server 10.180.2.2:80 to ",
            )
        ),
        f"bind {ip}",
    ]


@pytest.mark.parametrize("number", [1, 100])
def test_an_install_is_a_message_for_each_thing_that_the_kernel_holds(number: int) -> None:
    what = table_changes(None, render(many(number), NODE1))

    servers, shared_hairpin = 3, 1
    assert len(list(messages.commands(what))) == number * servers * (1 + 2)
    assert len(list(messages.additions(what))) == number * 3 + shared_hairpin
    assert len(what.new_addresses) == number


def test_what_did_not_change_sends_nothing() -> None:
    lab = many(3)
    before = render(lab, NODE1)

    assert sent(table_changes(before, render(lab, NODE1, before))) == []
    assert sent(table_changes(before, render(lab, NODE1))) == []


# Both Services lead to the same pods, which therefore have one element for their hairpin.
SHARED = (sets.LOOP_BACK, "10.180.1.2,tcp:80,10.180.1.2")


def elements(rules: IpvsRules) -> set[tuple[str, str]]:
    return {(each.name, str(entry)) for each in rules.ipsets for entry in each.entries}


def test_an_element_of_several_services_goes_with_the_last_of_them() -> None:
    lab = cluster(OTHER, WEB)
    both = render(lab, NODE1)
    one = render(with_endpoints(lab, WEB, THERE), NODE1, both)
    none = render(with_endpoints(with_endpoints(lab, WEB, THERE), OTHER, THERE), NODE1, one)

    assert SHARED in elements(both) & elements(one)
    assert SHARED not in elements(none)
    assert not table_changes(both, one).gone_members
    assert [str(entry) for _, entry in table_changes(one, none).gone_members] == [SHARED[1]]


def test_an_address_of_two_ports_stays_while_one_of_them_does() -> None:
    more = replace(P80, name="p81", port=81, node_port=30081)
    two, one = replace(WEB, ports=(P80, more)), WEB
    before = render(cluster(two), NODE1)
    after = render(cluster(one), NODE1, before)

    assert table_changes(before, after).gone_addresses == []
    assert set(after.addresses) == {CLUSTER_IP, EXTERNAL_IP, LB_IP}


def test_a_server_that_two_services_want_is_the_last_ones_until_that_goes() -> None:
    """API servers let two Services have one external address and port."""
    first = replace(OTHER, external_ips=(EXTERNAL_IP,))
    last = replace(WEB, affinity_timeout_s=77)
    lab = replace(cluster(first, last), services=(first, last))
    lab = with_endpoints(lab, first, ELSEWHERE)
    both = render(lab, NODE1)
    alone = render(replace(lab, services=(first,)), NODE1, both)

    assert external(both).persistent_s == 77
    assert endpoints(external(both)) == {HERE.address, THERE.address}
    assert external(alone).persistent_s is None
    assert endpoints(external(alone)) == {ELSEWHERE.address}
    assert external(render(lab, NODE1, alone)) == external(both)


def external(rules: IpvsRules) -> VirtualServer:
    (found,) = (each for each in rules.virtual_servers if each.address.ip == EXTERNAL_IP)
    return found


def endpoints(server: VirtualServer) -> set[IPv4Address]:
    return {each.ip for each in server.real_servers}


def test_rules_over_sets_come_with_the_first_element_and_go_with_the_last() -> None:
    lab = cluster(replace(WEB, external_ips=(), ingress=()), endpoints=(THERE,))
    without = render(lab, NODE1)
    hairpin: tuple[Endpoint, ...] = (HERE, THERE)
    with_one = render(with_endpoints(lab, lab.services[0], *hairpin), NODE1, without)
    again = render(lab, NODE1, with_one)

    assert sets.LOOP_BACK not in without.iptables.text()
    assert sets.LOOP_BACK in with_one.iptables.text()
    assert again == without
