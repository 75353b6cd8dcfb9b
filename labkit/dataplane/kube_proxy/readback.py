"""What kube-proxy has put into a node's kernel, as the kernel's own tools print it."""

from __future__ import annotations

from labkit.dataplane.iptables.apply import Backend
from labkit.dataplane.kube_proxy.marker import ADDRESS, KEY
from labkit.dataplane.nftables.names import TABLE
from labkit.kernel.netns import Namespace


def read(namespace: Namespace, mode: str, backend: Backend) -> str:
    """Return a node's rules.

    Raises:
        CommandError: a tool is missing or failed.
    """
    if mode == "nftables":
        return namespace.execute(["nft", "list", "table", "ip", TABLE])
    rules = namespace.execute([f"iptables-{backend}-save"])
    if mode != "ipvs":
        return rules
    servers = namespace.execute(["ipvsadm", "--save", "--numeric"])
    return servers + namespace.execute(["ipset", "save"]) + rules


def shows_marker(text: str) -> bool:
    """Whether rules hold something of labkit's own Service."""
    return str(KEY) in text or str(ADDRESS) in text
