"""One node's kube-proxy, and what its node needs beside it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from labkit.cluster.model import Cluster
from labkit.dataplane.iptables.apply import Backend
from labkit.dataplane.iptables.render import render_cni_only
from labkit.dataplane.kube_proxy import kubelet
from labkit.dataplane.kube_proxy.lookout import Lookout, lookout
from labkit.dataplane.kube_proxy.marker import ADDRESS
from labkit.dataplane.nftables.render import cni_tables, iptables_beside
from labkit.dataplane.nftables.rules import NftRuleset
from labkit.kernel import ipvs
from labkit.kernel.daemon import Daemon
from labkit.kernel.netns import Namespace
from labkit.kernel.tools import search_path, which

BIN: Final = "/run/labkit/bin"
"""In the node's own mounts: leads kube-proxy's PATH, and is gone with the lab."""
SCHEDULERS: Final = ("rr", "wrr", "sh")
IPTABLES: Final = ("iptables", "iptables-save", "iptables-restore")


class Hosted:
    """A kube-proxy that runs, and the lookout for what it does."""

    def __init__(
        self, namespace: Namespace, argv: Sequence[str], mode: str, backend: Backend
    ) -> None:
        self.lookout: Lookout = lookout(namespace, mode, backend)
        where = f"{namespace.name}/kube-proxy"
        try:
            self.daemon = Daemon(where, namespace, argv, env={"PATH": f"{BIN}:{search_path()}"})
        except BaseException:
            self.lookout.close()
            raise

    def close(self) -> None:
        """End it; the rules stay."""
        self.daemon.close()
        self.lookout.close()


def prepare(
    namespace: Namespace, cluster: Cluster, release: tuple[int, int], mode: str, backend: Backend
) -> None:
    """Give a node the rules that are not kube-proxy's, and the iptables that labkit uses itself.

    Raises:
        CommandError: a tool refused its part.
        KernelError: the kernel lacks a scheduler of IPVS.
    """
    node = cluster.node_by_name[namespace.name]
    restore = f"iptables-{backend}-restore"
    if mode == "nftables":
        namespace.execute(["nft", "-f", "-"], stdin=NftRuleset(cni_tables(cluster)).nft_text())
        namespace.execute([restore], stdin=iptables_beside(cluster, node).text())
        return
    namespace.execute([restore], stdin=render_cni_only(cluster, node).text())
    if release <= kubelet.LAST:
        namespace.execute([restore, "--noflush"], stdin=kubelet.RULES)
    if mode == "ipvs":
        _load_schedulers(namespace)
    links = "\n".join(_links(backend))
    namespace.execute(["sh", "-ec", f"mkdir -p {BIN}\n{links}"])


def _load_schedulers(namespace: Namespace) -> None:
    """Have the kernel load what kube-proxy looks for in /proc/modules before it uses IPVS.

    Source: kubernetes v1.20 pkg/proxy/ipvs/proxier.go, CanUseIPVSProxier.
    """
    server = ipvs.Server(protocol=ipvs.PROTOCOLS["TCP"], ip=ADDRESS, port=1)
    for name in SCHEDULERS:
        add = ipvs.add_server(server, scheduler=name, persistent_s=None, hash_ports=False)
        ipvs.send(namespace, [add, ipvs.delete_server(server)])


def _links(backend: Backend) -> Iterator[str]:
    """Commands that make iptables, which kube-proxy calls by that name, the one of a backend."""
    for family in ("", "6"):
        for name in IPTABLES:
            plain = name.replace("ip", f"ip{family}", 1)
            program = which(plain.replace("tables", f"tables-{backend}", 1))
            if program is not None:
                yield shlex.join(["ln", "-sf", program, f"{BIN}/{plain}"])
