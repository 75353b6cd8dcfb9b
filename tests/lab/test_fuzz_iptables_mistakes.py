"""The fuzzer finds every one of these mistakes in iptables rules."""

from __future__ import annotations

import pytest

from labkit.dataplane.iptables.apply import IptablesPlane
from labkit.fuzz.block import Block, run_block
from tests.lab.mutants import Mistake, Mistaken

MISTAKES = [
    Mistake(name="no SNAT", chain="KUBE-POSTROUTING", rule="-j MASQUERADE"),
    Mistake(
        name="another mark is set than is looked for",
        chain="KUBE-MARK-MASQ",
        rule=r"--set-xmark \S+",
        becomes="--set-xmark 0x100000/0x100000",
    ),
    Mistake(name="no hairpin", chain="KUBE-SEP-.*", rule="-j KUBE-MARK-MASQ"),
    Mistake(
        name="outside calls keep their source under Cluster",
        chain="KUBE-EXT-.*",
        rule="masquerade traffic for",
    ),
    Mistake(name="no short circuit for pods", chain="KUBE-EXT-.*", rule="pod traffic for"),
    Mistake(name="no short circuit for nodes", chain="KUBE-EXT-.*", rule="route LOCAL traffic"),
    Mistake(
        name="own calls keep their source under Local",
        chain="KUBE-EXT-.*",
        rule="masquerade LOCAL traffic",
    ),
    Mistake(
        name="externalTrafficPolicy: Local is ignored",
        chain="KUBE-EXT-.*",
        rule="-j KUBE-SVL-",
        becomes="-j KUBE-SVC-",
    ),
    Mistake(
        name="calls of a ClusterIP from outside the pod network keep their source",
        chain="KUBE-SV[CL]-.*",
        rule="-j KUBE-MARK-MASQ",
    ),
    Mistake(
        name="pods' calls of a ClusterIP are masqueraded, and no others",
        chain="KUBE-SV[CL]-.*",
        rule="^! -s ",
        becomes="-s ",
    ),
    Mistake(
        name="without endpoints calls are dropped",
        chain="KUBE-SERVICES",
        rule="-j REJECT --reject-with icmp-port-unreachable",
        becomes="-j DROP",
    ),
    Mistake(
        name="without local endpoints calls are refused",
        chain="KUBE-EXTERNAL-SERVICES|KUBE-SERVICES",
        rule="-j DROP",
        becomes="-j REJECT --reject-with icmp-port-unreachable",
    ),
    Mistake(name="source ranges keep nobody out", chain="KUBE-PROXY-FIREWALL", rule="-j DROP"),
    Mistake(name="source ranges let nobody in", chain="KUBE-FW-.*", rule="-j KUBE-EXT-"),
    Mistake(name="one endpoint never gets a call", chain="KUBE-SV[CL]-.*", rule="--mode random"),
    Mistake(
        name="calls arrive at the next port",
        chain="KUBE-SEP-.*",
        rule=r"(--to-destination \S+):80$",
        becomes=r"\1:81",
    ),
    Mistake(name="UDP is forgotten", chain="KUBE-SERVICES", rule="-p udp .*-j KUBE-"),
    Mistake(name="no NodePorts", chain="KUBE-SERVICES", rule="-j KUBE-NODEPORTS"),
    Mistake(name="no external addresses", chain="KUBE-SERVICES", rule="external IP.*-j KUBE-EXT"),
    Mistake(name="no session affinity", chain="KUBE-SV[CL]-.*", rule="--rcheck"),
    Mistake(
        name="nodePortAddresses are ignored",
        chain="KUBE-SERVICES",
        rule=r"^-d \S+ (.*)-j KUBE-NODEPORTS",
        becomes=r"\1-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    ),
    Mistake(name="pods are not hidden outside", chain="POSTROUTING", rule="cni-masq"),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_iptables_rules_is_found(mistake: Mistake) -> None:
    block = Block(seed=1, count=500, dataplane="iptables", shrink=False)

    result = run_block(block, plane=Mistaken(IptablesPlane(), mistake))

    assert result.failure is not None
