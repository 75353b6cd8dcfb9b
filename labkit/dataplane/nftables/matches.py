"""The pieces that kube-proxy's nftables rules are made of, in nft's own spelling.

nft prints marks with eight digits and every prefix of a name with a star; rules are written as it
prints them, so that text can be compared with text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Final

from labkit.cluster.model import DetectLocalMode, KubeProxy, Node

MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDetector:
    """How pods' traffic is told from other traffic: by a field and its value, or not at all.

    Source: kubernetes v1.36 pkg/proxy/util/localdetector.go.
    """

    matches: str = ""
    value: str = ""

    @property
    def is_implemented(self) -> bool:
        """Whether there is a way to tell."""
        return bool(self.matches)

    @property
    def if_local(self) -> str:
        """Match pods' traffic."""
        return f"{self.matches} {self.value}"

    @property
    def if_not_local(self) -> str:
        """Match other traffic."""
        return f"{self.matches} != {self.value}"


def local_detector(config: KubeProxy, node: Node) -> LocalDetector:
    """Return the detector that kube-proxy's configuration asks for."""
    match config.detect_local_mode:
        case DetectLocalMode.NODE_CIDR:
            return LocalDetector(matches="ip saddr", value=str(node.pod_cidr))
        case DetectLocalMode.BRIDGE_INTERFACE:
            return LocalDetector(matches="iifname", value=f'"{config.bridge_interface}"')
        case DetectLocalMode.INTERFACE_NAME_PREFIX:
            return LocalDetector(matches="iifname", value=f'"{config.interface_name_prefix}*"')
        case DetectLocalMode.CLUSTER_CIDR if config.cluster_cidr:
            return LocalDetector(matches="ip saddr", value=str(config.cluster_cidr))
        case _:
            return LocalDetector()


def set_mark(mark: int, said: str) -> str:
    """Ask for SNAT."""
    return f'meta mark set meta mark | {mark:#010x} comment "{said}"'


def duration(seconds: int) -> str:
    """A time as nft prints it: ``3h``, ``1d1s``."""
    days, rest = divmod(seconds, DAY_S)
    hours, rest = divmod(rest, HOUR_S)
    minutes, rest = divmod(rest, MINUTE_S)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def any_of(count: int) -> str:
    """A number below ``count``, another one for each packet."""
    return f"numgen random mod {count}"


def numbered(values: Iterable[str]) -> str:
    """A map from 0, 1, 2, ... to the values."""
    return f"{{ {', '.join(f'{number} : {value}' for number, value in enumerate(values))} }}"


def one_or_more(networks: Iterable[IPv4Network]) -> str:
    """Networks to compare with, as nft prints them.

    Where one of several is more than an address, nft puts those together that touch or overlap.
    """
    given = sorted(set(networks))
    if len(given) == 1:
        return _network(given[0])
    if all(each.num_addresses == 1 for each in given):
        texts = [_network(each) for each in given]
    else:
        texts = [_range(first, last) for first, last in _joined(given)]
    if len(texts) == 1:  # together they are one, and nft prints no set of one
        return texts[0]
    return f"{{ {', '.join(texts)} }}"


def _joined(networks: Sequence[IPv4Network]) -> list[tuple[IPv4Address, IPv4Address]]:
    """First and last address of what sorted networks cover together."""
    found: list[tuple[IPv4Address, IPv4Address]] = []
    for each in networks:
        first, last = each.network_address, each.broadcast_address
        if found and int(first) <= int(found[-1][1]) + 1:
            first, before = found.pop()
            last = max(before, last)
        found.append((first, last))
    return found


def _range(first: IPv4Address, last: IPv4Address) -> str:
    networks = list(summarize_address_range(first, last))
    return _network(networks[0]) if len(networks) == 1 else f"{first}-{last}"


def _network(network: IPv4Network) -> str:
    return str(network).removesuffix("/32")
