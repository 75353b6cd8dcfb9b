"""What is an address and a range here: IPv4, read as the API server reads it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

from labkit.manifest.problems import Finding, Path, quote


def ipv4(text: str) -> IPv4Address | None:
    """The address that ``text`` is, or None."""
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def ipv4_range(text: str) -> IPv4Network | None:
    """The range that ``text`` is, host bits ignored, or None. A bare address is no range."""
    if "/" not in text:
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    # "10.0.0.0/255.0.0.0" is a range to Python and none to the API server.
    return network if isinstance(network, IPv4Network) and text.endswith(_prefix(network)) else None


def _prefix(network: IPv4Network) -> str:
    return f"/{network.prefixlen}"


def address_findings(text: str, path: Path) -> Iterator[Finding]:
    """What is wrong with an IPv4 address."""
    if ipv4(text) is None:
        yield Finding(path, _no_address(text), "give an IPv4 address such as 192.168.0.7")


def range_findings(text: str, path: Path) -> Iterator[Finding]:
    """What is wrong with an IPv4 range."""
    if ipv4_range(text) is None:
        yield Finding(path, _no_range(text), "give an IPv4 range such as 10.244.0.0/16")


def special(address: IPv4Address | IPv6Address) -> str | None:
    """What is special about an address that no endpoint and no externalIP may have.

    Source: kubernetes v1.36 pkg/apis/core/validation, ValidateEndpointIP.
    """
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    return None


def _no_address(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        return f"'{quote(text)}' is no address"
    return f"{quote(text)} is IPv6, which this version does not have"


def _no_range(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return f"'{quote(text)}' is no range"
    if isinstance(network, IPv4Network):
        return f"'{quote(text)}' is no range in CIDR form"
    return f"{quote(text)} is IPv6, which this version does not have"
