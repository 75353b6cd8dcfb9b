"""Every misuse of the Python API is told in a sentence: what was found, and what to give."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

import labkit
from labkit.cluster.model import Protocol

HAIRPIN = Path(__file__).parents[3] / "scenarios" / "hairpin.yaml"
NOT_RUNNING = "the lab is not running; use it as a context manager: with labkit.Lab()"
Misuse = Callable[[Any], object]

CALLS: dict[str, Misuse] = {
    "protocol is the text 'tpc'; did you mean TCP? there are: TCP, UDP, SCTP": (
        lambda lab: lab.probe("client", "node1:80", protocol="tpc")
    ),
    "protocol is the number 6; there are: TCP, UDP, SCTP": (
        lambda lab: lab.node("node1").port(80, 6)
    ),
    "attempts is the number 0; give a whole number from 1 to 100000": (
        lambda lab: lab.probe("client", "node1:80", attempts=0)
    ),
    "attempts is the text 'many'; give a whole number from 1 to 100000": (
        lambda lab: lab.matrix(attempts="many")
    ),
    "attempts is True; give a whole number from 1 to 100000": (
        lambda lab: lab.check(attempts=True)
    ),
    "port is the number 99999; give a whole number from 1 to 65535": (
        lambda lab: lab.node("node1").port(99999)
    ),
    "port is the text '80'; give a whole number from 1 to 65535": (
        lambda lab: lab.client("client").port("80")
    ),
    "address is the text '10.0.0.1'; give ipaddress.IPv4Address(\"10.0.0.1\")": (
        lambda _lab: labkit.Target(address="10.0.0.1", port=80)  # type: ignore[arg-type]
    ),
    'to is the number 5; give NAME:PORT, a Target, or {"service": "web", "port": 80}': (
        lambda lab: lab.probe("client", 5)
    ),
    "to {'nod': 'node1'}: there is no nod; did you mean node? there are: "
    "node, service, pod, address, port, via": lambda lab: lab.probe("client", {"nod": "node1"}),
    "to node1: no port; give node1:PORT, a port from 1 to 65535": (
        lambda lab: lab.probe("client", {"node": "node1", "port": None})
    ),
    "target '' does not exist in this lab; there are: node1, node2": (
        lambda lab: lab.probe("client", "")
    ),
    "host 5 does not exist in this lab; there are: client, node1, node2": (
        lambda lab: lab.probe(5, "node1:80")
    ),
    "node is the number 1; give a name": lambda lab: lab.node(1),
    "pod is None; give a name": lambda lab: lab.pod(None),
    "host nod1 does not exist in this lab; did you mean node1? there are: client, node1, node2": (
        lambda lab: lab.exec("nod1", ["true"])
    ),
    'argv is the text \'ip addr\'; give a list: ["ip", "addr"]': (
        lambda lab: lab.exec("node1", "ip addr")
    ),
    "argv is an empty list; give a program and its arguments as texts: "
    '["ip", "-brief", "address"]': lambda lab: lab.exec("node1", []),
    "stdin is b'x', a bytes; give a text": lambda lab: lab.exec("node1", ["cat"], stdin=b"x"),
    "kind is the text 'tcp'; give socket.SOCK_STREAM or another of its kind": (
        lambda lab: lab.socket("node1", "tcp")
    ),
    'sources is the text \'client\'; give a list: ["client", "node1"], or ["all"]': (
        lambda lab: lab.matrix("client")
    ),
    "sources is an empty list; name a host, or leave it out": lambda lab: lab.matrix([]),
    "source laptop does not exist in this lab; there are: client, node1, node2": (
        lambda lab: lab.matrix(["laptop"])
    ),
    "check is the text 'x'; give Checks of a scenario: lab.scenario.checks": (
        lambda lab: lab.check("x")
    ),
    "objects is {'kind': 'Pod'}, a dict; give a list: "
    '[{"apiVersion": "v1", "kind": "Pod", …}]': lambda lab: lab.add({"kind": "Pod"}),
    'ports is the number 80; give a list: [80], or [{"containerPort": 53, "protocol": "UDP"}]': (
        lambda lab: lab.add_pod("web", ports=80)
    ),
    'argv is the text \'sleep 1\'; give a list: ["sleep", "1"]': (
        lambda lab: lab.add_pod("web", command="sleep 1")
    ),
    'labels is the text \'web\'; give a mapping: {"app": "web"}': (
        lambda lab: lab.add_pod("web", labels="web")
    ),
    'selector is None; give a mapping: {"app": "web"}': (
        lambda lab: lab.add_service("web", selector=None, ports=[80])
    ),
    "name is the number 5; give a text": lambda lab: lab.remove("Pod", 5),
    "there is no Pdo x in this scenario; did you mean Pod? there are: Lab, Check, Namespace, Node, "
    "Pod, Service, Deployment, ReplicaSet, EndpointSlice": lambda lab: lab.remove("Pdo", "x"),
    "scenario is the text 'x'; give what labkit.load returns": lambda lab: lab.become("x"),
    "5 is no path; give the path of a scenario file": (
        lambda _lab: labkit.load(5)  # type: ignore[arg-type]
    ),
}
LABS: dict[str, dict[str, Any]] = {
    'nodes is the text \'3\'; give a list: ["node1", "node2"], or how many': {"nodes": "3"},
    "nodes is the number 0; give a whole number from 1 to 1000": {"nodes": 0},
    "clients is the text 'client'; give a list: [\"client\"]": {"clients": "client"},
    "dataplane is the text 'ipv'; did you mean ipvs? there are: "
    "iptables, ipvs, nftables, kube-proxy, none": {"dataplane": "ipv"},
    "iptables is the text 'old'; there are: nft, legacy": {"iptables": "old"},
    "kube-proxy has no mode 'ipv'; did you mean ipvs? there are: iptables, ipvs, nftables": {
        "proxy_mode": "ipv"
    },
    "kube_proxy is the number 5; give a path": {"kube_proxy": 5},
    "seed is the text 'x'; give a whole number": {"seed": "x"},
    'rules is the text \'x\'; give a mapping: {"node1": "node1.txt"}': {"rules": "x"},
    "source is the number 5; give a list: objects, or the path of a scenario file": {"source": 5},
    "nodes: only for a Lab without a source; write it there": {"source": HAIRPIN, "nodes": 3},
    "dataplne: only for a Lab without a source; did you mean dataplane? there are: ": {
        "source": HAIRPIN,
        "dataplne": "ipvs",
    },
    "<objects>[0]: spec.dataplne: there is no such field; did you mean dataplane? there are: ": {
        "dataplne": "ipvs"
    },
}


@pytest.mark.parametrize("sentence", CALLS)
def test_a_call_that_cannot_be_meant_is_told(sentence: str) -> None:
    with pytest.raises(labkit.UsageError, match=f"^{re.escape(sentence)}$"):
        CALLS[sentence](labkit.Lab())


@pytest.mark.parametrize("sentence", LABS)
def test_a_lab_that_cannot_be_meant_is_told(sentence: str) -> None:
    with pytest.raises(labkit.LabkitError, match=f"^{re.escape(sentence)}"):
        labkit.Lab(**LABS[sentence])


@pytest.mark.parametrize("word", ["udp", "Udp", "UDP"])
def test_a_protocol_may_be_written_small(word: str) -> None:
    target = labkit.Lab().node("node1").port(53, word)
    assert target == labkit.Target(
        address=IPv4Address("192.168.0.1"), port=53, protocol=Protocol.UDP
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda lab: lab.probe("client", "node1:80", protocol="tcp"),
        lambda lab: lab.exec("node1", [Path("/bin/true")]),
        lambda lab: lab.socket("node1", socket.SOCK_DGRAM),
        lambda lab: lab.matrix(["client"]),
    ],
)
def test_a_lab_that_does_not_run_says_how_to_make_it(use: Misuse) -> None:
    with pytest.raises(labkit.LabError, match=re.escape(NOT_RUNNING)):
        use(labkit.Lab())


def test_an_object_that_is_there_is_not_lost_by_adding_another_of_its_name() -> None:
    lab = labkit.Lab()
    lab.add_pod("web", ports=[80])
    lab.add_service("web", selector={"app": "web"}, ports=[80])
    with pytest.raises(
        labkit.UsageError, match=r"^Pod web exists already; remove it first, or rep"
    ):
        lab.add_pod("web", ports=[81])
    with pytest.raises(labkit.UsageError, match=r"^Service web exists already; remove it first"):
        lab.add_service("web", selector={"app": "other"}, ports=[80])
    assert lab.scenario.services[0].spec.selector == {"app": "web"}
    lab.remove("Service", "web")
    lab.add_service("web", selector={"app": "other"}, ports=[80])
    assert lab.scenario.services[0].spec.selector == {"app": "other"}
