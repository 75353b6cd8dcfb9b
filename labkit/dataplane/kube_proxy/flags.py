"""kube-proxy's command line: what the Lab's `kubeProxy` says, in the program's own flags. Pure.

Source: kubernetes v1.20 and v1.36 cmd/kube-proxy/app/server.go and options.go, AddFlags.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from labkit.cluster.model import Cluster, DetectLocalMode, KubeProxy, Node
from labkit.dataplane.kube_proxy.program import REMEDY, Program
from labkit.errors import UsageError

LOCALHOST: Final = "127.0.0.1"
WHERE_KNOWN: Final = (
    ("kube-api-content-type", "application/json"),
    # nf_conntrack_max can only be written in the first network namespace: 0 leaves it alone.
    ("conntrack-max-per-core", "0"),
    ("conntrack-tcp-timeout-established", "0"),
    ("conntrack-tcp-timeout-close-wait", "0"),
    ("healthz-bind-address", f"{LOCALHOST}:10256"),
    ("metrics-bind-address", f"{LOCALHOST}:10249"),
    # A change is followed at once, not after a second.
    ("iptables-min-sync-period", "0s"),
    ("ipvs-min-sync-period", "0s"),
    ("v", "2"),
)
"""Flags that every lab needs, of versions that have them."""
_DEFAULT: Final = KubeProxy(cluster_cidr=None)


class Wish(NamedTuple):
    """A flag that some field of the Lab asks for."""

    field: str
    flag: str
    value: str


def command(program: Program, cluster: Cluster, node: Node, mode: str, port: int) -> list[str]:
    """Return the command line of one node's kube-proxy.

    Args:
        program: which kube-proxy.
        cluster: whose configuration.
        node: where it runs.
        mode: the mode to run in.
        port: of the API server on the node's loopback.

    Raises:
        UsageError: the Lab asks for something that this version does not know.
    """
    wishes = list(_wishes(cluster.kube_proxy))
    check(program, cluster, mode)
    return [
        str(program.path),
        f"--proxy-mode={mode}",
        f"--hostname-override={node.name}",
        f"--master=http://{LOCALHOST}:{port}",
        *(f"--{flag}={value}" for flag, value in WHERE_KNOWN if flag in program.flags),
        *(f"--{wish.flag}={wish.value}" for wish in wishes),
    ]


def check(program: Program, cluster: Cluster, mode: str) -> None:
    """See to it that a program can do what the Lab asks for.

    Raises:
        UsageError: it cannot.
    """
    if mode not in program.modes:
        raise UsageError(f"kube-proxy {program.version} has no mode {mode}; {REMEDY}")
    if not cluster.masquerades:
        raise UsageError(
            "spec.without: a real kube-proxy leaves no rule out; run this under another data plane"
        )
    for wish in _wishes(cluster.kube_proxy):
        if wish.flag not in program.flags:
            raise UsageError(
                f"spec.kubeProxy.{wish.field}: kube-proxy {program.version} has no "
                f"--{wish.flag}; leave the field out, or {REMEDY}"
            )


def _wishes(config: KubeProxy) -> Iterator[Wish]:
    """Flags for what is not as kube-proxy would have it anyway."""
    if config.cluster_cidr is not None:
        yield Wish("clusterCIDR", "cluster-cidr", str(config.cluster_cidr))
    if config.detect_local_mode is not DetectLocalMode.CLUSTER_CIDR:
        yield Wish("detectLocalMode", "detect-local-mode", str(config.detect_local_mode))
    if config.bridge_interface:
        yield Wish("detectLocal.bridgeInterface", "pod-bridge-interface", config.bridge_interface)
    if config.interface_name_prefix:
        prefix = config.interface_name_prefix
        yield Wish("detectLocal.interfaceNamePrefix", "pod-interface-name-prefix", prefix)
    if config.node_port_addresses:
        ranges = ",".join(map(str, config.node_port_addresses))
        yield Wish("nodePortAddresses", "nodeport-addresses", ranges)
    yield from _rule_wishes(config)


def _rule_wishes(config: KubeProxy) -> Iterator[Wish]:
    if config.masquerade_all:
        yield Wish("iptables.masqueradeAll", "masquerade-all", "true")
    if not config.localhost_node_ports:
        yield Wish("iptables.localhostNodePorts", "iptables-localhost-nodeports", "false")
    if config.masquerade_bit != _DEFAULT.masquerade_bit:
        bit = str(config.masquerade_bit)
        yield Wish("iptables.masqueradeBit", "iptables-masquerade-bit", bit)
    if config.ipvs_scheduler != _DEFAULT.ipvs_scheduler:
        yield Wish("ipvs.scheduler", "ipvs-scheduler", config.ipvs_scheduler)
    if config.ipvs_strict_arp:
        yield Wish("ipvs.strictARP", "ipvs-strict-arp", "true")
    if config.tcp_be_liberal:
        yield Wish("conntrack.tcpBeLiberal", "conntrack-tcp-be-liberal", "true")
