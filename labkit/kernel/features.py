"""What this kernel and machine can do: each feature really tried, in a scratch namespace.

`labkit doctor` prints the table; tests that need a feature are skipped with its sentence.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.errors import CommandError, KernelError, LabError, MissingFeature, UsageError
from labkit.kernel import netfilter, netlink
from labkit.kernel.generic import NETLINK_GENERIC, family
from labkit.kernel.netlink import Request
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.rootless import why_no_user_namespace
from labkit.kernel.tools import which
from labkit.manifest.problems import nearest

CHAIN: Final = "LABKIT-TRY"
IPPROTO_SCTP: Final = 132
VERDICT_MAP: Final = """table ip try {
    map services { type ipv4_addr . inet_proto . inet_service : verdict; }
    chain try { type nat hook prerouting priority dstnat; policy accept;
        ip daddr . meta l4proto . th dport vmap @services
    }
}
"""
"""What kube-proxy's nftables mode is made of."""


_seen: set[str] = set()
"""Features that this kernel has shown to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing that labkit may need, and whether it is there."""

    name: str
    available: bool
    found: str
    """What trying it showed."""
    remedy: str
    """How to get it."""


@dataclass(frozen=True, slots=True)
class _Try:
    """How to try a feature: returns what was found, or raises what went wrong."""

    act: Callable[[Namespace], str]
    remedy: str


def probe_features(edge: Edge) -> tuple[Feature, ...]:
    """Try every feature and return what was found, in the order of the table."""
    return tuple(feature(edge, name) for name in FEATURES)


def require(edge: Edge, names: Iterable[str]) -> None:
    """Return if this kernel has all of the features; what was found once is not tried again.

    Raises:
        MissingFeature: the first that it lacks.
    """
    for name in names:
        if name in _seen:
            continue
        found = feature(edge, name)
        if not found.available:
            raise MissingFeature(name, found=found.found, remedy=found.remedy)
        _seen.add(name)


def feature(edge: Edge, name: str) -> Feature:
    """Try one feature by its name.

    Raises:
        UsageError: there is no feature of that name.
    """
    wanted = FEATURES.get(name)
    if wanted is None:
        raise UsageError(f"feature {name!r} is unknown; {nearest(name, FEATURES)}")
    try:
        scratch = edge.namespace(f"a try of {name}")
    except LabError as error:
        return Feature(name=name, available=False, found=str(error), remedy=NEEDS_ROOT)
    except MissingFeature as error:
        return Feature(name=name, available=False, found=error.found, remedy=error.remedy)
    try:
        found = wanted.act(scratch)
    except (LabError, MissingFeature, OSError) as error:
        return Feature(name=name, available=False, found=_reason(error), remedy=wanted.remedy)
    finally:
        scratch.close()
    return Feature(name=name, available=True, found=found, remedy=wanted.remedy)


def _reason(error: Exception) -> str:
    """One line that says what went wrong."""
    if isinstance(error, CommandError):
        return error.stderr.splitlines()[0] if error.stderr else f"exit {error.returncode}"
    if isinstance(error, KernelError):
        return error.message
    if isinstance(error, MissingFeature):
        return error.found
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


# --- how each is tried ---


def _namespace(_scratch: Namespace) -> str:
    return "made one"


def _user_namespace(_scratch: Namespace) -> str:
    if (refusal := why_no_user_namespace()) is not None:
        raise refusal
    return "made one"


def _mount_namespace(scratch: Namespace) -> str:
    listed = scratch.execute(["ls", "/sys/class/net"]).split()
    if listed != ["lo"]:
        raise LabError(f"/sys shows {' '.join(listed)}")
    return "own /run and /sys"


def _link(kind: str) -> Callable[[Namespace], str]:
    def act(scratch: Namespace) -> str:
        info = netlink.attribute(netlink.LINKINFO, netlink.text(netlink.INFO_KIND, kind))
        body = netlink.IFINFO.pack(0, 0, 0, 0, 0) + netlink.text(netlink.NAME, "try0") + info
        flags = netlink.REQUEST | netlink.CREATE | netlink.EXCLUSIVE
        _send(scratch, Request(f"add a {kind}", netlink.NEWLINK, flags, body))
        return "made one"

    return act


def _vxlan(scratch: Namespace) -> str:
    local = IPv4Address("192.0.2.1")
    _send(scratch, netlink.new_vxlan("try0", 10, local, 1450))
    return "made one"


def _macvlan(scratch: Namespace) -> str:
    scratch.execute(["ip", "link", "add", "under", "type", "veth", "peer", "name", "other"])
    scratch.execute(["ip", "link", "add", "try0", "link", "under", "type", "macvlan"])
    return "made one"


def _bridge_netfilter(scratch: Namespace) -> str:
    scratch.write_sysctls({"net/bridge/bridge-nf-call-iptables": "1"})
    return "bridged packets pass iptables, per namespace"


def _iptables(backend: str) -> Callable[[Namespace], str]:
    def act(scratch: Namespace) -> str:
        _restore(scratch, backend, "-j ACCEPT")
        return scratch.execute([f"iptables-{backend}", "--version"]).strip()

    return act


def _rule(rule: str) -> Callable[[Namespace], str]:
    def act(scratch: Namespace) -> str:
        backend = "nft" if netfilter.can_use_iptables_nft(scratch) else "legacy"
        _restore(scratch, backend, rule)
        return f"by iptables-{backend}"

    return act


def _nfacct(scratch: Namespace) -> str:
    netfilter.ensure_nfacct(scratch, ["try"])
    return _rule("-m nfacct --nfacct-name try -j ACCEPT")(scratch)


def _restore(scratch: Namespace, backend: str, rule: str) -> None:
    tool = f"iptables-{backend}-restore"
    _need_tool(tool)
    text = f"*nat\n:{CHAIN} - [0:0]\n-A {CHAIN} {rule}\nCOMMIT\n"
    if "REJECT" in rule:
        text = text.replace("*nat", "*filter")
    scratch.execute([tool], stdin=text)


def _ipset(scratch: Namespace) -> str:
    _need_tool("ipset")
    scratch.execute(["ipset", "create", "try", "hash:ip,port"])
    return scratch.execute(["ipset", "--version"]).splitlines()[0]


def _set_match(scratch: Namespace) -> str:
    _need_tool("ipset")
    scratch.execute(["ipset", "create", "try", "hash:ip,port"])
    return _rule("-m set --match-set try dst,dst -j ACCEPT")(scratch)


def _nftables(scratch: Namespace) -> str:
    _need_tool("nft")
    scratch.execute(["nft", "-f", "-"], stdin=VERDICT_MAP)
    return scratch.execute(["nft", "--version"]).strip()


def _conntrack(scratch: Namespace) -> str:
    _need_tool("conntrack")
    scratch.execute(["conntrack", "-L"])
    return "read a table"


def _ip_vs(scratch: Namespace) -> str:
    def act() -> int | None:
        with netlink.open_netlink(NETLINK_GENERIC) as sock:
            return family(sock, "IPVS")

    if scratch.run(act) is None:
        raise LabError("the kernel does not know IPVS")
    return "the kernel answers for IPVS"


def _netem(scratch: Namespace) -> str:
    scratch.execute(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
    return "delayed loopback"


def _sctp(scratch: Namespace) -> str:
    scratch.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    return "opened a socket"


def _packet_socket(scratch: Namespace) -> str:
    scratch.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    return "opened a socket"


def _tools(*names: str) -> Callable[[Namespace], str]:
    def act(_scratch: Namespace) -> str:
        for name in names:
            _need_tool(name)
        return ", ".join(names)

    return act


def _need_tool(name: str) -> None:
    if which(name) is None:
        raise FileNotFoundError(errno.ENOENT, f"{name} is not on PATH")


def _send(scratch: Namespace, request: Request) -> None:
    def act() -> None:
        with netlink.open_netlink() as sock:
            netlink.send(sock, [request], where=scratch.name)

    scratch.run(act)


NEEDS_ROOT: Final = "run as root, or with --rootless"


def _kernel(option: str, module: str) -> str:
    return f"modprobe {module}, or a kernel with {option}"


FEATURES: Final[Mapping[str, _Try]] = {
    "network namespaces": _Try(_namespace, NEEDS_ROOT),
    "user namespaces": _Try(_user_namespace, "allow them, or run as root"),
    "mount namespaces": _Try(_mount_namespace, "apt-get install util-linux"),
    "tools": _Try(_tools("nsenter", "setpriv", "unshare"), "apt-get install util-linux"),
    "veth": _Try(_link("veth"), _kernel("CONFIG_VETH", "veth")),
    "bridge": _Try(_link("bridge"), _kernel("CONFIG_BRIDGE", "bridge")),
    "bridge netfilter": _Try(_bridge_netfilter, _kernel("CONFIG_BRIDGE_NETFILTER", "br_netfilter")),
    "vxlan": _Try(_vxlan, _kernel("CONFIG_VXLAN", "vxlan")),
    "macvlan": _Try(_macvlan, _kernel("CONFIG_MACVLAN", "macvlan")),
    "dummy": _Try(_link("dummy"), f"{_kernel('CONFIG_DUMMY', 'dummy')}, or --kernel uml"),
    "iptables nft": _Try(
        _iptables("nft"), "apt-get install iptables, and a kernel with CONFIG_NFT_COMPAT"
    ),
    "iptables legacy": _Try(
        _iptables("legacy"), "apt-get install iptables, and a kernel with CONFIG_IP_NF_IPTABLES"
    ),
    "comment match": _Try(
        _rule('-m comment --comment "a b" -j ACCEPT'),
        _kernel("CONFIG_NETFILTER_XT_MATCH_COMMENT", "xt_comment"),
    ),
    "conntrack match": _Try(
        _rule("-m conntrack --ctstate NEW -j ACCEPT"),
        _kernel("CONFIG_NETFILTER_XT_MATCH_CONNTRACK", "xt_conntrack"),
    ),
    "addrtype match": _Try(
        _rule("-m addrtype --dst-type LOCAL -j ACCEPT"),
        _kernel("CONFIG_NETFILTER_XT_MATCH_ADDRTYPE", "xt_addrtype"),
    ),
    "statistic match": _Try(
        _rule("-m statistic --mode random --probability 0.5 -j ACCEPT"),
        _kernel("CONFIG_NETFILTER_XT_MATCH_STATISTIC", "xt_statistic"),
    ),
    "recent match": _Try(
        _rule("-m recent --name try --rcheck --seconds 10 --reap -j ACCEPT"),
        _kernel("CONFIG_NETFILTER_XT_MATCH_RECENT", "xt_recent"),
    ),
    "nfacct match": _Try(
        _nfacct, "none needed: labkit leaves the counters out, as kube-proxy does"
    ),
    "mark target": _Try(
        _rule("-j MARK --set-xmark 0x4000/0x4000"),
        _kernel("CONFIG_NETFILTER_XT_MARK", "xt_mark"),
    ),
    "masquerade": _Try(
        _rule("-j MASQUERADE --random-fully"),
        _kernel("CONFIG_NETFILTER_XT_TARGET_MASQUERADE", "xt_MASQUERADE"),
    ),
    "reject": _Try(
        _rule("-j REJECT --reject-with icmp-port-unreachable"),
        _kernel("CONFIG_IP_NF_TARGET_REJECT", "ipt_REJECT"),
    ),
    "ipset": _Try(_ipset, "apt-get install ipset, and a kernel with CONFIG_IP_SET"),
    "set match": _Try(_set_match, _kernel("CONFIG_NETFILTER_XT_SET", "xt_set")),
    "ipvs match": _Try(
        _rule("-m ipvs --vproto 6 --vaddr 192.0.2.1 --vport 80 -j ACCEPT"),
        _kernel("CONFIG_NETFILTER_XT_MATCH_IPVS", "xt_ipvs"),
    ),
    "nftables": _Try(_nftables, "apt-get install nftables, and a kernel with CONFIG_NF_TABLES"),
    "conntrack": _Try(_conntrack, "apt-get install conntrack, and CONFIG_NF_CT_NETLINK"),
    "ip_vs": _Try(_ip_vs, f"{_kernel('CONFIG_IP_VS', 'ip_vs')}, or --kernel uml"),
    "netem": _Try(_netem, _kernel("CONFIG_NET_SCH_NETEM", "sch_netem")),
    "sctp": _Try(_sctp, _kernel("CONFIG_IP_SCTP", "sctp")),
    "packet sockets": _Try(_packet_socket, _kernel("CONFIG_PACKET", "af_packet")),
}
