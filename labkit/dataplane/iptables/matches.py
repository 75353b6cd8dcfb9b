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
    address: IPv4Address | str, protocol: Protocol, port: int, *, said: str, source: str = ""
) -> str:
    """Match an address and port."""
    start = f"{source} " if source else ""
    kind = protocol.lower()
    return f"{start}-d {address}/32 -p {kind} {comment(said)} -m {kind} --dport {port}"


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


@dataclass(frozen=True, slots=True)
class LocalDetector:
    """How pods' traffic is told from other traffic; an empty match if it cannot be.

    Source: kubernetes v1.36 pkg/proxy/util/localdetector.go.
    """

    match: str

    @property
    def is_implemented(self) -> bool:
        """Whether there is a way to tell."""
        return bool(self.match)

    @property
    def if_local(self) -> str:
        """Match pods' traffic."""
        return self.match

    @property
    def if_not_local(self) -> str:
        """Match all other traffic."""
        return f"! {self.match}"


def local_detector(config: KubeProxy, node: Node) -> LocalDetector:
    """Return the detector that kube-proxy's configuration asks for."""
    if config.detect_local_mode is DetectLocalMode.NODE_CIDR:
        return LocalDetector(f"-s {node.pod_cidr}")
    if config.detect_local_mode is DetectLocalMode.BRIDGE_INTERFACE:
        return LocalDetector(f"-i {config.bridge_interface}")
    if config.detect_local_mode is DetectLocalMode.INTERFACE_NAME_PREFIX:
        return LocalDetector(f"-i {config.interface_name_prefix}+")
    return LocalDetector(f"-s {config.cluster_cidr}" if config.cluster_cidr else "")
