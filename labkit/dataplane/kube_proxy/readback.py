"""What kube-proxy has put into a node's kernel, as the kernel's own tools print it."""

from __future__ import annotations

import re
from typing import Final

from labkit.dataplane.iptables.apply import Backend
from labkit.dataplane.kube_proxy.marker import ADDRESS, KEY
from labkit.dataplane.nftables.names import TABLE
from labkit.errors import MissingFeature
from labkit.kernel.netns import Namespace
from labkit.kernel.tools import which

_STALE: Final = re.compile(rf"^\tchain \S*{re.escape(str(KEY))}\S* \{{\n\t\}}\n\n?", re.MULTILINE)


def read(namespace: Namespace, mode: str, backend: Backend) -> str:
    """Return a node's rules.

    Raises:
        CommandError: a tool failed.
        MissingFeature: ipvsadm is not installed.
    """
    if mode == "nftables":
        return without_stale(namespace.execute(["nft", "list", "table", "ip", TABLE]))
    rules = namespace.execute([f"iptables-{backend}-save"])
    if mode != "ipvs":
        return rules
    if which("ipvsadm") is None:
        remedy = "apt-get install ipvsadm"
        raise MissingFeature("ipvsadm", found="it is not on PATH", remedy=remedy)
    servers = namespace.execute(["ipvsadm", "--save", "--numeric"])
    return servers + namespace.execute(["ipset", "save"]) + rules


def without_stale(text: str) -> str:
    """The same without chains of labkit's own Service that kube-proxy has emptied.

    In nftables mode it deletes them in a later sync only, as old kernels hold on to them for a
    moment (kubernetes v1.36 pkg/proxy/nftables/proxier.go, syncProxyRules, staleChains).
    """
    return _STALE.sub("", text)


def shows_marker(text: str) -> bool:
    """Whether rules hold something of labkit's own Service."""
    return str(KEY) in text or str(ADDRESS) in text
