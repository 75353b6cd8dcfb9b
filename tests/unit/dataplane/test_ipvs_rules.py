"""What no recording shows of IPVS mode, as kube-proxy's proxier.go has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from labkit.cluster.model import (
    Cluster,
    DetectLocalMode,
    PodNetwork,
    Protocol,
    Service,
    ServicePort,
)
from labkit.dataplane.ipvs.render import render
from labkit.dataplane.ipvs.rules import IpvsRules
from tests.unit.dataplane.clusters import (
    CLUSTER_IP,
    CONFIG,
    EXTERNAL_IP,
    HERE,
    LB_IP,
    LOCAL,
    NODE1,
    NODE2,
    NODE_PORT,
    P80,
    THERE,
    WEB,
    cluster,
)

BRIDGE = NODE1.bridge_ip


def on_node1(service: Service = WEB, lab: Cluster | None = None) -> IpvsRules:
    return render(lab or cluster(service), NODE1)


def real(rules: IpvsRules, address: IPv4Address, port: int = 80) -> Sequence[str]:
    """The real servers of one virtual server."""
    (server,) = (
        each
        for each in rules.virtual_servers
        if (each.address.ip, each.address.port) == (address, port)
    )
    return [str(each.ip) for each in server.real_servers]


def elements(rules: IpvsRules, name: str) -> Sequence[str]:
    (found,) = (each for each in rules.ipsets if each.name == name)
    return [str(entry) for entry in found.entries]


def chain(rules: IpvsRules, table: str, name: str) -> Sequence[str]:
    (found,) = (each for each in rules.iptables.tables if each.name == table)
    return found.chains[name]


ALL = [str(HERE.address), str(THERE.address)]
OWN = [str(HERE.address)]


def test_each_kind_of_address_has_a_virtual_server() -> None:
    rules = on_node1()

    served = {str(server.address) for server in rules.virtual_servers}

    addresses = {f"{address}:80" for address in (CLUSTER_IP, EXTERNAL_IP, LB_IP)}
    assert served == addresses | {f"{NODE1.address}:{NODE_PORT}", f"{BRIDGE}:{NODE_PORT}"}
    assert all(
        sorted(str(each.ip) for each in server.real_servers) == ALL
        for server in rules.virtual_servers
    )


def test_the_dummy_holds_what_is_no_nodes_own() -> None:
    assert set(on_node1().addresses) == {CLUSTER_IP, EXTERNAL_IP, LB_IP}


def test_an_external_address_that_the_node_has_itself_is_not_bound_again() -> None:
    service = replace(WEB, external_ips=(NODE1.address,))

    rules = on_node1(service)

    assert NODE1.address not in rules.addresses
    assert str(NODE1.address) not in elements(rules, "KUBE-IPVS-IPS")
    assert real(rules, NODE1.address) == ALL


def test_vxlan_has_an_address_of_its_own_that_serves_node_ports() -> None:
    lab = cluster(WEB)
    lab = replace(lab, network=replace(lab.network, pod_network=PodNetwork.VXLAN))

    assert real(on_node1(lab=lab), NODE1.vxlan_ip, NODE_PORT) == ALL


def test_a_local_policy_takes_the_nodes_own_endpoints_for_external_addresses_alone() -> None:
    rules = on_node1(replace(WEB, external_traffic_policy=LOCAL))

    assert real(rules, CLUSTER_IP) == ALL
    assert real(rules, EXTERNAL_IP) == real(rules, LB_IP) == OWN
    assert real(rules, NODE1.address, NODE_PORT) == OWN


def test_a_node_without_an_endpoint_takes_all_under_a_local_policy() -> None:
    service = replace(WEB, external_traffic_policy=LOCAL, internal_traffic_policy=LOCAL)
    lab = cluster(service, endpoints=(THERE,))

    rules = on_node1(lab=lab)

    for address in (CLUSTER_IP, EXTERNAL_IP, LB_IP):
        assert real(rules, address) == [str(THERE.address)]


def test_without_external_addresses_an_internal_local_policy_leaves_nothing() -> None:
    """CategorizeEndpoints computes no cluster endpoints for a Service that cannot use them."""
    port = replace(P80, node_port=None)
    service = replace(
        WEB, ports=(port,), external_ips=(), ingress=(), internal_traffic_policy=LOCAL
    )

    assert real(on_node1(lab=cluster(service, endpoints=(THERE,))), CLUSTER_IP) == []


def test_local_external_addresses_are_not_masqueraded() -> None:
    rules = on_node1(replace(WEB, external_traffic_policy=LOCAL))

    assert elements(rules, "KUBE-EXTERNAL-IP") == []
    assert elements(rules, "KUBE-EXTERNAL-IP-LOCAL") == [f"{EXTERNAL_IP},tcp:80"]
    assert elements(rules, "KUBE-LOAD-BALANCER-LOCAL") == [f"{LB_IP},tcp:80"]
    assert elements(rules, "KUBE-NODE-PORT-LOCAL-TCP") == [str(NODE_PORT)]
    kept, marked = chain(rules, "nat", "KUBE-LOAD-BALANCER")
    assert kept.endswith("--match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN")
    assert marked == "-j KUBE-MARK-MASQ"
    services = chain(rules, "nat", "KUBE-SERVICES")
    assert not any("KUBE-EXTERNAL-IP " in rule for rule in services)
    accepted = [rule for rule in services if "KUBE-EXTERNAL-IP-LOCAL dst,dst" in rule]
    assert [rule.rpartition(" ")[2] for rule in accepted] == ["ACCEPT", "ACCEPT"]


def test_session_affinity_is_persistence_of_every_address() -> None:
    rules = on_node1(replace(WEB, affinity_timeout_s=77))

    assert {server.persistent_s for server in rules.virtual_servers} == {77}
    assert f"-A -t {CLUSTER_IP}:80 -s rr -p 77" in rules.text().splitlines()


@pytest.mark.parametrize("scheduler", ["wrr", "lc", "sh", "mh"])
def test_the_labs_scheduler_is_every_servers(scheduler: str) -> None:
    lab = cluster(WEB, config=replace(CONFIG, ipvs_scheduler=scheduler))

    rules = on_node1(lab=lab)

    assert {server.scheduler for server in rules.virtual_servers} == {scheduler}
    assert {server.hash_ports for server in rules.virtual_servers} == {scheduler == "mh"}


def test_source_ranges_that_the_node_is_in_let_it_in_by_the_address_itself() -> None:
    service = replace(WEB, source_ranges=(IPv4Network("192.168.0.0/24"),))

    rules = on_node1(service)

    assert elements(rules, "KUBE-LOAD-BALANCER-FW") == [f"{LB_IP},tcp:80"]
    assert elements(rules, "KUBE-LOAD-BALANCER-SOURCE-CIDR") == [f"{LB_IP},tcp:80,192.168.0.0/24"]
    assert elements(rules, "KUBE-LOAD-BALANCER-SOURCE-IP") == [f"{LB_IP},tcp:80,{LB_IP}"]
    assert chain(rules, "filter", "KUBE-IPVS-OUT-FILTER") == ()


def test_source_ranges_that_leave_the_node_out_drop_its_own_calls() -> None:
    service = replace(WEB, source_ranges=(IPv4Network("203.0.113.0/24"),))

    rules = on_node1(service)

    assert elements(rules, "KUBE-LOAD-BALANCER-SOURCE-IP") == []
    assert chain(rules, "filter", "KUBE-IPVS-OUT-FILTER") == (
        f"-s {LB_IP}/32 -m ipvs --vproto 6 --vaddr {LB_IP} --vport 80 -j DROP",
    )


def test_a_range_of_everything_is_one_that_ipset_refuses() -> None:
    rules = on_node1(replace(WEB, source_ranges=(IPv4Network("0.0.0.0/0"),)))

    assert elements(rules, "KUBE-LOAD-BALANCER-SOURCE-CIDR") == []
    assert elements(rules, "KUBE-LOAD-BALANCER-FW") == [f"{LB_IP},tcp:80"]


def test_node_ports_answer_on_the_addresses_that_are_asked_for_and_never_on_loopback() -> None:
    ranges = (IPv4Network("127.0.0.0/8"), IPv4Network("192.168.0.0/24"))
    lab = cluster(WEB, config=replace(CONFIG, node_port_addresses=ranges))

    servers = on_node1(lab=lab).virtual_servers

    ports = [str(each.address) for each in servers if each.address.port == NODE_PORT]
    assert ports == [f"{NODE1.address}:{NODE_PORT}"]


def test_sctp_node_ports_are_hashed_with_their_addresses() -> None:
    port = ServicePort(name="s", protocol=Protocol.SCTP, port=9, target_port=9, node_port=NODE_PORT)

    rules = on_node1(replace(WEB, ports=(port,)))

    wanted = [f"{BRIDGE},sctp:{NODE_PORT}", f"{NODE1.address},sctp:{NODE_PORT}"]
    assert elements(rules, "KUBE-NODE-PORT-SCTP-HASH") == wanted
    (rule,) = chain(rules, "nat", "KUBE-NODE-PORT")
    assert rule.startswith("-p sctp ")
    assert rule.endswith("KUBE-NODE-PORT-SCTP-HASH dst,dst -j KUBE-MARK-MASQ")
    assert f"-A --sctp-service {CLUSTER_IP}:9 -s rr" in rules.text()


def test_health_check_ports_are_let_in() -> None:
    assert elements(
        on_node1(replace(WEB, health_check_node_port=30001)), "KUBE-HEALTH-CHECK-NODE-PORT"
    ) == ["30001"]


def masquerade(lab: Cluster) -> str:
    """What is matched of traffic to ClusterIPs that is masqueraded."""
    rules = chain(on_node1(lab=lab), "nat", "KUBE-SERVICES")
    (rule,) = (r for r in rules if "KUBE-CLUSTER-IP" in r and r.endswith("KUBE-MARK-MASQ"))
    return rule


def test_traffic_to_cluster_ips_is_masqueraded_unless_it_is_the_pods_own() -> None:
    assert masquerade(cluster(WEB)).startswith("! -s 10.0.0.0/8 -m comment")
    by_bridge = replace(
        CONFIG, detect_local_mode=DetectLocalMode.BRIDGE_INTERFACE, bridge_interface="cni0"
    )
    assert masquerade(cluster(WEB, config=by_bridge)).startswith("! -i cni0 -m comment")
    everything = replace(CONFIG, masquerade_all=True)
    assert masquerade(cluster(WEB, config=everything)).startswith("-m comment")
    unknown = replace(CONFIG, cluster_cidr=None)
    assert "KUBE-CLUSTER-IP src,dst" in masquerade(cluster(WEB, config=unknown))


def test_every_local_endpoint_may_reach_itself_also_one_that_is_not_ready() -> None:
    idle = replace(HERE, address=IPv4Address("10.180.1.3"), ready=False, serving=False)
    lab = cluster(WEB, endpoints=(HERE, THERE, idle))

    found = elements(on_node1(lab=lab), "KUBE-LOOP-BACK")

    assert found == [f"{each.address},tcp:80,{each.address}" for each in (HERE, idle)]
    assert elements(render(lab, NODE2), "KUBE-LOOP-BACK") == [
        f"{THERE.address},tcp:80,{THERE.address}"
    ]


def test_without_masquerade_neither_node_ports_nor_hairpins_have_it() -> None:
    lab = cluster(WEB, without=frozenset({"masquerade"}))

    assert not any(
        "MASQUERADE" in rule for rule in chain(on_node1(lab=lab), "nat", "KUBE-POSTROUTING")
    )


def test_headless_services_and_those_of_other_proxies_leave_no_trace() -> None:
    headless = replace(WEB, cluster_ip=None)
    theirs = replace(WEB, labels={"service.kubernetes.io/service-proxy-name": "other"})

    for service in (headless, theirs):
        rules = on_node1(service)
        assert (rules.virtual_servers, rules.addresses) == ((), ())
        assert not any(each.entries for each in rules.ipsets)
