"""Each rule of Labs and Checks: where its problem is placed, and what it says."""

from __future__ import annotations

import pytest

from labkit.manifest.kinds import CheckSpec, Expect, Target
from labkit.manifest.load import load_text
from tests.unit.manifest.marked import LAB, SERVICE, WEB, assert_one_error

LABS = [
    pytest.param(
        "§nods: [{name: node1}]",
        "spec.nods: there is no such field; did you mean nodes? there are: dataplane, nodes,"
        " clients, network, kubeProxy, nodePortRange, without",
        id="misspelt field",
    ),
    pytest.param(
        "nodes: [{name: node1, §adress: 192.168.0.1}]",
        "spec.nodes[0].adress: there is no such field; did you mean address? there are: name,"
        " address, podCIDR, labels, zone, inputPolicy",
        id="misspelt field of a node",
    ),
    pytest.param(
        "dataplane: §iptable",
        "spec.dataplane: found the text 'iptable'; did you mean iptables?"
        " there are: iptables, ipvs, kube-proxy, nftables, none",
        id="dataplane",
    ),
    pytest.param(
        "nodes: §[]",
        "spec.nodes: a lab without a node; give at least one: [{name: node1}]",
        id="no node",
    ),
    pytest.param(
        "clients: [{name: §node1}]",
        "spec.clients[0].name: the name node1 is there twice; name nodes and clients differently",
        id="client named like a node",
    ),
    pytest.param(
        "nodes: [{name: §Node_1}]",
        "spec.nodes[0].name: 'Node_1' is no host name; give a host name: lower-case letters,"
        " digits, '-' and '.', a letter or digit at both ends, at most 63 characters",
        id="node name",
    ),
    pytest.param(
        f"nodes: [{{name: §{'n' * 64}}}]",
        f"spec.nodes[0].name: '{'n' * 59}…' is no host name; give a host name: lower-case letters,"
        " digits, '-' and '.', a letter or digit at both ends, at most 63 characters",
        id="long node name",
    ),
    pytest.param(
        "clients: [{name: §all}]",
        "spec.clients[0].name: all has a meaning of its own; `--from all` means every host;"
        " give another",
        id="client named all",
    ),
    pytest.param(
        "nodes: [{name: n, address: §192.168.1.1}]",
        "spec.nodes[0].address: 192.168.1.1 is outside the LAN 192.168.0.0/24;"
        " give an address in it",
        id="node outside the LAN",
    ),
    pytest.param(
        'nodes: [{name: n, address: §""}]',
        "spec.nodes[0].address: '' is no address; give an IPv4 address such as 192.168.0.7",
        id="empty address",
    ),
    pytest.param(
        "nodes: [{name: n, address: §192.168.0.255}]",
        "spec.nodes[0].address: 192.168.0.255 is the network or broadcast address of the LAN"
        " 192.168.0.0/24; give one between them",
        id="broadcast address",
    ),
    pytest.param(
        "nodes: [{name: n, address: 192.168.0.7}]\n  clients: [{name: c, address: §192.168.0.7}]",
        "spec.clients[0].address: 192.168.0.7 is n's; give each host its own",
        id="address twice",
    ),
    pytest.param(
        "clients: [{name: c, address: §10.244.0.7}]",
        "spec.clients[0].address: 10.244.0.7 is inside the podCIDR 10.244.0.0/16;"
        " give a host an address outside the cluster's ranges",
        id="client inside the pod network",
    ),
    pytest.param(
        "clients: [{name: c, address: §127.0.0.7}]",
        "spec.clients[0].address: 127.0.0.7 is a loopback address;"
        " give an address that can be routed",
        id="client on loopback",
    ),
    pytest.param(
        "network: {lan: §192.168.0.0}",
        "spec.network.lan: '192.168.0.0' is no range in CIDR form;"
        " give an IPv4 range such as 10.244.0.0/16",
        id="lan is no range",
    ),
    pytest.param(
        "network: {podCIDR: §fd00::/48}",
        "spec.network.podCIDR: fd00::/48 is IPv6, which this version does not have;"
        " give an IPv4 range such as 10.244.0.0/16",
        id="podCIDR is IPv6",
    ),
    pytest.param(
        "network: {serviceCIDR: §10.0.0.0/8}",
        "spec.network.serviceCIDR: 10.0.0.0/8 overlaps podCIDR 10.244.0.0/16;"
        " give ranges that are apart",
        id="ranges overlap",
    ),
    pytest.param(
        "network: {lan: §224.0.0.0/24}",
        "spec.network.lan: 224.0.0.0/24 holds addresses that are not routed;"
        " give a range such as 10.244.0.0/16",
        id="multicast lan",
    ),
    pytest.param(
        "network: {lan: §192.168.0.0/30}",
        "spec.network.lan: 192.168.0.0/30 has 2 addresses for 4 hosts, the router among them;"
        " give a wider range",
        id="lan too small",
    ),
    pytest.param(
        "nodes: [{name: n, podCIDR: §10.245.0.0/24}]",
        "spec.nodes[0].podCIDR: 10.245.0.0/24 is not inside network.podCIDR 10.244.0.0/16;"
        " give a part of it, or widen network.podCIDR",
        id="podCIDR outside",
    ),
    pytest.param(
        "nodes: [{name: n, podCIDR: 10.244.0.0/20}, {name: m, podCIDR: §10.244.1.0/24}]",
        "spec.nodes[1].podCIDR: 10.244.1.0/24 overlaps n's 10.244.0.0/20;"
        " give ranges that are apart",
        id="podCIDRs overlap",
    ),
    pytest.param(
        "nodes: [{name: n, podCIDR: §10.244.1.0/31}]",
        "spec.nodes[0].podCIDR: 10.244.1.0/31 has no room for a pod; give a /30 or wider",
        id="podCIDR too small",
    ),
    pytest.param(
        "clients: [{name: c, routes: [{to: 10.96.0.0/12, via: §node3}]}]",
        "spec.clients[0].routes[0].via: 'node3' is no node of this lab and no address;"
        " did you mean node2? there are: node1, node2",
        id="via",
    ),
    pytest.param(
        "clients: [{name: c, routes: [{to: §10.96.0.1, via: node1}]}]",
        "spec.clients[0].routes[0].to: '10.96.0.1' is no range in CIDR form;"
        " give an IPv4 range such as 10.244.0.0/16",
        id="to",
    ),
    pytest.param(
        "kubeProxy: {iptables: {masqueradeBit: §32}}",
        "spec.kubeProxy.iptables.masqueradeBit: 32 is no bit; give 0 to 31",
        id="masqueradeBit",
    ),
    pytest.param(
        "kubeProxy: {clusterCIDR: §pods}",
        "spec.kubeProxy.clusterCIDR: 'pods' is no range; give an IPv4 range such as 10.244.0.0/16",
        id="clusterCIDR",
    ),
    pytest.param(
        "kubeProxy: {nodePortAddresses: [§primary]}",
        "spec.kubeProxy.nodePortAddresses[0]: 'primary' is no range;"
        " give an IPv4 range such as 10.244.0.0/16",
        id="nodePortAddresses",
    ),
    pytest.param(
        "kubeProxy: {ipvs: {scheduler: §rrr}}",
        "spec.kubeProxy.ipvs.scheduler: 'rrr' is no IPVS scheduler; did you mean rr? there are: rr,"
        " wrr, lc, wlc, lblc, lblcr, sh, dh, sed, nq, fo, ovf, …",
        id="scheduler",
    ),
    pytest.param(
        "kubeProxy: §{detectLocalMode: BridgeInterface}",
        "spec.kubeProxy.detectLocal.bridgeInterface: required;"
        " detectLocalMode BridgeInterface needs it",
        id="detectLocal",
    ),
    pytest.param(
        "nodePortRange: §32767-30000",
        "spec.nodePortRange: '32767-30000' is no range of ports; give LOW-HIGH such as 30000-32767",
        id="nodePortRange",
    ),
    pytest.param(
        "without: [§masquerading]",
        "spec.without[0]: found the text 'masquerading'; did you mean masquerade?"
        " there are: masquerade",
        id="without",
    ),
]


@pytest.mark.parametrize(("spec", "problem"), LABS)
def test_lab(spec: str, problem: str) -> None:
    assert_one_error(
        f"apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {{name: l}}\nspec:\n  {spec}\n", problem
    )


def test_a_second_lab_names_both_places() -> None:
    second = LAB.replace("---\n", "").replace("apiVersion", "§apiVersion", 1)
    assert_one_error(
        LAB + second, "a second Lab; the first is at bad.yaml:1:1; keep one Lab in a scenario"
    )


CHECKS = [
    pytest.param(
        "{from: §clint, to: {node: node1, port: 30080}, expect: {outcome: connected}}",
        "spec.from: there is no host 'clint' in this lab; did you mean client? there are: client,"
        " node1, node2, web-1",
        id="from",
    ),
    pytest.param(
        "{from: §[], to: {node: node1, port: 30080}, expect: {outcome: connected}}",
        "spec.from: an empty list; name a client, node or pod",
        id="from nobody",
    ),
    pytest.param(
        "§{to: {node: node1, port: 30080}, expect: {outcome: connected}}",
        "spec.from: required; name a client, node or pod",
        id="no from",
    ),
    pytest.param(
        "{from: §7, to: {node: node1, port: 30080}, expect: {outcome: connected}}",
        "spec.from: found the number 7; give text or a list",
        id="from is a number",
    ),
    pytest.param(
        "{from: client, to: §{node: node1, pod: web-1, port: 80}, expect: {outcome: connected}}",
        "spec.to: node and pod; give exactly one of node, service, pod and address",
        id="two destinations",
    ),
    pytest.param(
        "{from: client, to: §{port: 80}, expect: {outcome: connected}}",
        "spec.to: no destination; give exactly one of node, service, pod and address",
        id="no destination",
    ),
    pytest.param(
        "{from: client, to: {node: §node3, port: 80}, expect: {outcome: connected}}",
        "spec.to.node: there is no node 'node3' in this lab; did you mean node2?"
        " there are: node1, node2",
        id="node",
    ),
    pytest.param(
        "{from: client, to: §{node: node1}, expect: {outcome: connected}}",
        "spec.to.port: required; give a port between 1 and 65535",
        id="node without port",
    ),
    pytest.param(
        "{from: client, to: {node: node1, port: §http}, expect: {outcome: connected}}",
        "spec.to.port: the name 'http' means nothing here; give a port between 1 and 65535",
        id="port name of a node",
    ),
    pytest.param(
        "{from: client, to: {node: node1, port: §65536}, expect: {outcome: connected}}",
        "spec.to.port: 65536 is no port; give a port between 1 and 65535",
        id="port",
    ),
    pytest.param(
        "{from: client, to: {node: node1, port: §'80'}, expect: {outcome: connected}}",
        "spec.to.port: the text '80'; write the number without quotes: 80",
        id="port in quotes",
    ),
    pytest.param(
        "{from: client, to: {address: §10.0.0, port: 80}, expect: {outcome: connected}}",
        "spec.to.address: '10.0.0' is no address; give an IPv4 address such as 192.168.0.7",
        id="address",
    ),
    pytest.param(
        "{from: client, to: {pod: §web-2}, expect: {outcome: connected}}",
        "spec.to.pod: there is no pod 'web-2' in this lab; did you mean web-1? there are: web-1",
        id="pod",
    ),
    pytest.param(
        "{from: client, to: §{pod: web-1}, expect: {outcome: connected}}",
        "spec.to.port: pod web-1 declares 2 ports; say which: dns, http",
        id="pod with two ports",
    ),
    pytest.param(
        "{from: client, to: {pod: web-1, port: §https}, expect: {outcome: connected}}",
        "spec.to.port: pod web-1 declares no port 'https'; did you mean http? there are: dns, http",
        id="pod port",
    ),
    pytest.param(
        "{from: client, to: {service: §wep}, expect: {outcome: connected}}",
        "spec.to.service: there is no Service 'wep' in this lab; did you mean web? there are: web",
        id="service",
    ),
    pytest.param(
        "{from: client, to: {service: default/web, port: §81}, expect: {outcome: connected}}",
        "spec.to.port: Service default/web has no port 81; there are: http",
        id="service port",
    ),
    pytest.param(
        "{from: client, to: {service: web, via: §ExternalIP}, expect: {outcome: connected}}",
        "spec.to.via: Service web has no ExternalIP address; give via: ClusterIP",
        id="via that the Service has not",
    ),
    pytest.param(
        "{from: client, to: {pod: web-1, port: 80, via: §ExternalIP}, expect: {outcome: refused}}",
        "spec.to.via: only for a service; leave it out, or give service",
        id="via of a pod",
    ),
    pytest.param(
        "{from: client, to: {service: web}, attempts: §0, expect: {outcome: connected}}",
        "spec.attempts: 0 is out of range; give 1 to 100000",
        id="attempts",
    ),
    pytest.param(
        "{from: client, to: {service: web}, requestBytes: §0, expect: {outcome: connected}}",
        "spec.requestBytes: 0 is out of range; give 1 to 60000",
        id="requestBytes",
    ),
    pytest.param(
        "{from: client, to: {address: 10.9.9.9, port: 80}, protocol: SCTP, requestBytes: §8,"
        " expect: {outcome: refused}}",
        "spec.requestBytes: not for SCTP; leave it out, or give protocol: TCP or UDP",
        id="requestBytes of SCTP",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: §{}}",
        "spec.expect: nothing is expected; give conformant, outcome, backends or clientSource",
        id="nothing expected",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {outcome: §conected}}",
        "spec.expect.outcome: found the text 'conected'; did you mean connected?"
        " there are: connected, mixed, refused, reset, timeout, unreachable",
        id="outcome",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {§outcom: connected}}",
        "spec.expect.outcom: there is no such field; did you mean outcome? there are: outcome,"
        " backends, clientSource, sameBackend, balance, replyFrom, sourceAnswers, httpStatus,"
        " conformant",
        id="misspelt field",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {backends: [§web-2]}}",
        "spec.expect.backends[0]: there is no pod 'web-2' in this lab; did you mean web-1?"
        " there are: web-1",
        id="backend",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {clientSource: §kept}}",
        "spec.expect.clientSource: 'kept' is not preserved, no node and no address;"
        " there are: preserved, node1, node2",
        id="clientSource",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {clientSource: §[]}}",
        "spec.expect.clientSource: an empty list; give preserved, a node or an address",
        id="clientSource of nobody",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {clientSource: [preserved, §nod1]}}",
        "spec.expect.clientSource[1]: 'nod1' is not preserved, no node and no address;"
        " did you mean node1? there are: preserved, node1, node2",
        id="clientSource in a list",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {replyFrom: §web}}",
        "spec.expect.replyFrom: there is no pod or node 'web' in this lab; did you mean web-1?"
        " there are: web-1, node1, node2",
        id="replyFrom",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {httpStatus: §7}}",
        "spec.expect.httpStatus: 7 is no HTTP status; give 100 to 599",
        id="httpStatus",
    ),
    pytest.param(
        "{from: client, to: {service: web}, expect: {outcome: connected},"
        " expectUnder: {ipvs: {backends: [§wob]}}}",
        "spec.expectUnder.ipvs.backends[0]: there is no pod 'wob' in this lab; there are: web-1",
        id="unknown pod under a data plane",
    ),
    pytest.param(
        "{from: client, to: {service: web}, protocol: §ICMP, expect: {outcome: refused}}",
        "spec.protocol: found the text 'ICMP'; there are: SCTP, TCP, UDP",
        id="protocol",
    ),
]


@pytest.mark.parametrize(("spec", "problem"), CHECKS)
def test_check(spec: str, problem: str) -> None:
    head = "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: a b}\n"
    assert_one_error(f"{LAB}{WEB}{SERVICE}{head}spec: {spec}\n", problem)


def test_a_headless_service_is_no_address_to_aim_at() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: h}\n"
        "spec: {clusterIP: None, ports: [{port: 1}]}\n---\n"
    )
    check = (
        "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\n"
        "spec: {from: client, to: §{service: h}, expect: {outcome: connected}}\n"
    )
    assert_one_error(
        LAB + service + check,
        "spec.to.via: Service h has no ClusterIP address; aim at a pod or a node instead",
    )


def test_check_names_are_one_line_and_unique() -> None:
    spec = "spec: {from: client, to: {node: node1, port: 1}, expect: {outcome: refused}}\n---\n"
    head = "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: "
    assert_one_error(
        f'{LAB}{head}§"a\\nb"}}\n{spec}',
        "metadata.name: 'a\\nb' is no name; say what is checked, in one line of at most 200"
        " characters",
    )
    assert_one_error(
        f"{LAB}{head}same}}\n{spec}{head}§same}}\n{spec}",
        "metadata.name: Check same is taken at bad.yaml:10:18;"
        " give each object of a kind its own name",
    )


def test_everything_that_a_lab_may_say_is_read() -> None:
    scenario = load_text(
        "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: l}\nspec:\n"
        "  nodes: [{name: n, address: 010.000.000.007, podCIDR: 10.1.8.0/24, zone: a}]\n"
        "  clients: [{name: c, address: 203.0.113.5, routes: [{to: 10.2.0.0/16, via: n}]}]\n"
        "  network: {lan: 10.0.0.0/24, podCIDR: 10.1.0.0/16, serviceCIDR: 10.2.0.0/16,\n"
        "    podNetwork: vxlan, podMasquerade: false}\n"
        "  kubeProxy: {clusterCIDR: '', detectLocalMode: InterfaceNamePrefix,\n"
        "    detectLocal: {interfaceNamePrefix: veth}, nodePortAddresses: [10.0.0.0/8],\n"
        "    iptables: {masqueradeAll: true, masqueradeBit: 31}, ipvs: {scheduler: sh},\n"
        "    conntrack: {tcpBeLiberal: true}}\n"
        "  nodePortRange: 1-65535\n  without: [masquerade]\n"
    )
    spec = scenario.lab.spec
    assert spec.nodes[0].address == "10.0.0.7"
    assert (spec.kube_proxy.cluster_cidr, spec.network.pod_network) == ("", "vxlan")
    assert spec.kube_proxy.conntrack.tcp_be_liberal
    assert spec.clients is not None
    assert spec.clients[0].routes[0].via == "n"


def test_a_check_expects_what_is_said_for_its_data_plane() -> None:
    scenario = load_text(
        f"{LAB}{WEB}{SERVICE}apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {{name: c}}\n"
        "spec: {from: client, to: {service: web}, expect: {outcome: refused},"
        " expectUnder: {ipvs: {backends: [web-1]}}}\n"
    )
    spec = scenario.checks[0].check.spec

    assert spec.under("nftables").expect == spec.expect
    assert spec.under("ipvs").expect.backends == ["web-1"]
    assert spec.under("ipvs").expect.outcome is None
    assert spec.under("kube-proxy", "ipvs").expect.backends == ["web-1"]
    assert spec.under("kube-proxy", "iptables").expect == spec.expect


def test_what_is_said_for_a_real_kube_proxy_goes_before_what_is_said_for_its_mode() -> None:
    spec = CheckSpec(
        from_="client",
        to=Target(service="web"),
        expect=Expect(outcome="refused"),
        expect_under={"ipvs": Expect(outcome="timeout"), "kube-proxy": Expect(outcome="reset")},
    )

    assert spec.under("kube-proxy", "ipvs").expect.outcome == "reset"
    assert spec.under("ipvs").expect.outcome == "timeout"
