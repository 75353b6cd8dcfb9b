"""The CNI plugins' own rules: pods are hidden from outside, and host ports lead to pods.

They are the same beside every data plane: that looks after Services, the plugins after pods.

Source: the bridge plugin's ipMasq and flannel's --ip-masq for the masquerading; for host ports
containernetworking/plugins v1.6 plugins/meta/portmap/portmap_iptables.go, genToplevelDnatChain,
fillDnatRules, genSetMarkChain and genMarkMasqChain, and pkg/utils/utils.go for the chains' names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from labkit.cluster.model import Cluster, ContainerPort, Node, Pod

NETWORK: Final = "cbr0"
"""The name of the pod network in flannel's CNI configuration."""
DNAT: Final = "CNI-HOSTPORT-DNAT"
SETMARK: Final = "CNI-HOSTPORT-SETMARK"
MASQ: Final = "CNI-HOSTPORT-MASQ"
MARK: Final = "0x2000/0x2000"
"""markMasqBit is 13."""
CHAIN_NAME_LENGTH: Final = 28
PORTS_A_RULE: Final = 15
"""The multiport match takes no more."""


def masquerade_rules(cluster: Cluster) -> tuple[str, ...]:
    """Rules for nat POSTROUTING, after kube-proxy's own; none without podMasquerade."""
    if not cluster.network.pod_masquerade:
        return ()
    pods = cluster.network.pod_cidr
    return (f"-s {pods} ! -d {pods} -m comment --comment cni-masq -j MASQUERADE",)


def sysctls(cluster: Cluster, node: Node) -> Mapping[str, str]:
    """What the plugins set on a node: host ports on 127.0.0.1 need that network routed to pods."""
    routed = {"net/ipv4/conf/cni0/route_localnet": "1"}
    return routed if any(host_ports(pod) for pod in cluster.pods_on(node.name)) else {}


def nat_chains(
    cluster: Cluster, node: Node, others: Mapping[str, Iterable[str]]
) -> Mapping[str, Iterable[str]]:
    """Return the chains of a node's nat table: those of ``others``, and host ports'.

    kube-proxy puts its jumps first, so a NodePort is looked for before a host port. Host ports'
    masquerading comes before all other: the plugin puts it there, so that none steps over it.
    """
    pods = [(pod, ports) for pod in cluster.pods_on(node.name) if (ports := host_ports(pod))]
    if not pods:
        return others
    to_node = f"-m addrtype --dst-type LOCAL -j {DNAT}"
    masquerade = f'-m comment --comment "CNI portfwd requiring masquerade" -j {MASQ}'
    mark = '-m comment --comment "CNI portfwd masquerade mark"'
    return {
        **others,
        "PREROUTING": (*others.get("PREROUTING", ()), to_node),
        "OUTPUT": (*others.get("OUTPUT", ()), to_node),
        "POSTROUTING": (masquerade, *others.get("POSTROUTING", ())),
        DNAT: tuple(jump for pod, ports in pods for jump in _jumps(pod, ports)),
        SETMARK: (f"{mark} -j MARK --set-xmark {MARK}",),
        MASQ: (f"-m mark --mark {MARK} -j MASQUERADE",),
        **{
            chain_name(NETWORK, container_id(pod)): tuple(_translations(pod, ports, node))
            for pod, ports in pods
        },
    }


def host_ports(pod: Pod) -> tuple[ContainerPort, ...]:
    """A pod's ports that a port of its node leads to."""
    return tuple(port for each in pod.containers for port in each.ports if port.host_port)


def container_id(pod: Pod) -> str:
    """What stands for the id of the pod's sandbox: as long, and always the same."""
    return hashlib.sha256(str(pod.key).encode()).hexdigest()


def chain_name(network: str, container: str) -> str:
    """The name of a container's own chain."""
    digest = hashlib.sha512(f"{network}{container}".encode()).hexdigest()
    return f"CNI-DN-{digest}"[:CHAIN_NAME_LENGTH]


def _jumps(pod: Pod, ports: Sequence[ContainerPort]) -> Iterator[str]:
    """By protocol, to the pod's own chain: no address is looked at yet."""
    container = container_id(pod)
    said = f'-m comment --comment "dnat name: \\"{NETWORK}\\" id: \\"{container}\\""'
    by_protocol = sorted(ports, key=lambda port: port.protocol.lower())
    for protocol, group in groupby(by_protocol, key=lambda port: port.protocol.lower()):
        numbers = [str(port.host_port) for port in group]
        for start in range(0, len(numbers), PORTS_A_RULE):
            some = ",".join(numbers[start : start + PORTS_A_RULE])
            to = chain_name(NETWORK, container)
            yield f"-p {protocol} {said} -m multiport --dports {some} -j {to}"


def _translations(pod: Pod, ports: Sequence[ContainerPort], node: Node) -> Iterator[str]:
    """For each port three rules.

    Calls by pods of the same node are marked for masquerading, as a hairpin must be, and so are
    those from 127.0.0.1, which no pod could answer.
    """
    for port in ports:
        to = "" if port.host_ip is None else f"-d {port.host_ip}/32 "
        protocol = port.protocol.lower()
        asked = f"{to}-p {protocol} -m {protocol} --dport {port.host_port}"
        yield f"-s {node.pod_cidr} {asked} -j {SETMARK}"
        yield f"-s 127.0.0.1/32 {asked} -j {SETMARK}"
        yield f"{asked} -j DNAT --to-destination {pod.address}:{port.port}"
