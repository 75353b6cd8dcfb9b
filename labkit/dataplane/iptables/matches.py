"""The pieces that kube-proxy's rules are made of, in iptables-save's spelling.

iptables-save prints addresses and the protocol first and the rest in the order in which they were
given; rules are written that way here, so that text can be compared with text.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import DetectLocalMode, KubeProxy, Node, Protocol

PROBABILITY_STEPS: Final = 0x80000000
"""The statistic match keeps a probability as a 31 bit number (iptables-extensions(8))."""


def comment(text: str) -> str:
    """A comment; iptables-save quotes every one of kube-proxy's, as each has a slash or a space."""
    return f'-m comment --comment "{text}"'


def to_port(
    address: IPv4Address,
    protocol: Protocol,
    port: int,
    *,
    said: str,
    unless: LocalDetector | None = None,
) -> str:
    """Match an address and port; with ``unless`` only traffic that is not the pods' own."""
    kind = protocol.lower()
    source = f"! {unless.source} " if unless and unless.source else ""
    interface = f"! {unless.interface} " if unless and unless.interface else ""
    return f"{source}-d {address}/32 {interface}-p {kind} {comment(said)} -m {kind} --dport {port}"


def local_address_port(protocol: Protocol, port: int, *, said: str) -> str:
    """Match a port of any address of the node."""
    kind = protocol.lower()
    return f"-p {kind} {comment(said)} -m addrtype --dst-type LOCAL -m {kind} --dport {port}"


def one_in(count: int) -> str:
    """Match one packet in ``count``.

    kube-proxy writes ten digits; the kernel keeps 31 bits of them, and iptables-save prints eleven.
    """
    steps = round(round(1 / count, 10) * PROBABILITY_STEPS)
    return f"-m statistic --mode random --probability {steps / PROBABILITY_STEPS:.11f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDetector:
    """How pods' traffic is told from other traffic: by source or by interface, or not at all.

    Source: kubernetes v1.36 pkg/proxy/util/localdetector.go.
    """

    source: str = ""
    interface: str = ""

    @property
    def is_implemented(self) -> bool:
        """Whether there is a way to tell."""
        return bool(self.source or self.interface)

    @property
    def if_local(self) -> str:
        """Match pods' traffic."""
        return self.source or self.interface


def local_detector(config: KubeProxy, node: Node) -> LocalDetector:
    """Return the detector that kube-proxy's configuration asks for."""
    match config.detect_local_mode:
        case DetectLocalMode.NODE_CIDR:
            return LocalDetector(source=f"-s {node.pod_cidr}")
        case DetectLocalMode.BRIDGE_INTERFACE:
            return LocalDetector(interface=f"-i {config.bridge_interface}")
        case DetectLocalMode.INTERFACE_NAME_PREFIX:
            return LocalDetector(interface=f"-i {config.interface_name_prefix}+")
        case DetectLocalMode.CLUSTER_CIDR if config.cluster_cidr:
            return LocalDetector(source=f"-s {config.cluster_cidr}")
        case _:
            return LocalDetector()
