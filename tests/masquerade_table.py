"""Who gets where and who is masqueraded: kube-proxy's own table of 30 flows, four times.

A node has one of a Service's two endpoints. Three Services differ in their policies, and whoever
calls them calls that node. A cell says whether the call may reach ``all`` endpoints or the node's
own (``local``), and whether the node's address replaces the caller's (``+SNAT``).

Source: kubernetes pkg/proxy/iptables/proxier_test.go, TestInternalExternalMasquerade; the row from
a node to a NodePort is asked of the Service that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

SERVICES: Final = ("Cluster", "eTP=Local", "iTP=Local")
"""The columns: Services by the policy that is not Cluster."""
DEFAULT: Final = """
pod       ClusterIP  all        all        local
pod       NodePort   all+SNAT   all        all+SNAT
pod       LB-IP      all+SNAT   all        all+SNAT
node      ClusterIP  all+SNAT   all+SNAT   local+SNAT
node      NodePort   all+SNAT   all+SNAT   all+SNAT
localhost localhost  all+SNAT   all+SNAT   all+SNAT
node      LB-IP      all+SNAT   all+SNAT   all+SNAT
client    ClusterIP  all+SNAT   all+SNAT   local+SNAT
client    NodePort   all+SNAT   local      all+SNAT
client    LB-IP      all+SNAT   local      all+SNAT
"""
CHANGES: Final[Mapping[str, str]] = {
    "default": "",
    "no detector": """
pod       NodePort   all+SNAT   local      all+SNAT
pod       LB-IP      all+SNAT   local      all+SNAT
node      ClusterIP  all        all        local
client    ClusterIP  all        all        local
""",
    "masqueradeAll": """
pod       ClusterIP  all+SNAT   all+SNAT   local+SNAT
""",
    "both": """
pod       ClusterIP  all+SNAT   all+SNAT   local+SNAT
pod       NodePort   all+SNAT   local      all+SNAT
pod       LB-IP      all+SNAT   local      all+SNAT
""",
}
"""Rows that a configuration changes: without local-traffic detection, with masqueradeAll."""


class Asked(NamedTuple):
    """One of the thirty flows."""

    source: str
    target: str
    service: str

    def __str__(self) -> str:
        return f"{self.source} to {self.target}, {self.service}"


def table(config: str, changes: str = "") -> Mapping[Asked, str]:
    """The cell of each flow under one configuration, but for rows that are others."""
    known = rows(DEFAULT) | rows(CHANGES[config]) | rows(changes)
    return {
        Asked(source, target, service): cell
        for (source, target), cells in known.items()
        for service, cell in zip(SERVICES, cells, strict=True)
    }


def rows(text: str) -> dict[tuple[str, str], list[str]]:
    """The cells of each row, by its source and target."""
    words = (line.split() for line in text.split("\n") if line)
    return {(source, target.replace("-", " ")): cells for source, target, *cells in words}
