"""Everything that one node holds in IPVS mode, and its text as the tools print it.

Source: ipvsadm(8), ipset(8), ip-address(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from labkit.cluster.object_names import ServicePortName
from labkit.dataplane.ipvs.merged import Merged, merge
from labkit.dataplane.ipvs.sets import SETS, order
from labkit.dataplane.ipvs.tables import DUMMY, IPSet, PortTables, VirtualServer
from labkit.dataplane.parts import Parts, difference
from labkit.dataplane.rules import Ruleset

OF_A_DUMP = ServicePortName("", "dump", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsRules:
    """Everything that one node holds: what its Service ports need, and the rules around it."""

    parts: Parts[PortTables] = field(default_factory=Parts)
    iptables: Ruleset = field(default_factory=Ruleset)
    merged: Merged = field(default_factory=Merged, compare=False)
    """What ``parts`` need together."""
    chains_from: object = field(default=None, compare=False)
    """What ``iptables`` was rendered from."""

    @classmethod
    def of(
        cls, virtual_servers: Iterable[VirtualServer], addresses: Iterable[IPv4Address] = ()
    ) -> IpvsRules:
        """Return servers and addresses that came from no Service: a dump's."""
        servers, bound = tuple(virtual_servers), tuple(addresses)
        part = PortTables(place=("", "", 0), virtual_servers=servers, addresses=bound)
        return cls().with_parts({OF_A_DUMP: part})

    def with_parts(self, by_port: Mapping[ServicePortName, PortTables]) -> IpvsRules:
        """Return these rules with other parts."""
        return IpvsRules(
            parts=Parts(by_port),
            iptables=self.iptables,
            merged=merge(Merged(), difference({}, by_port)),
        )

    @property
    def virtual_servers(self) -> tuple[VirtualServer, ...]:
        """Every virtual server, by protocol, address and port."""
        found = (owned[-1].server for owned in self.merged.servers.values())
        return tuple(sorted(found, key=_server_order))

    @property
    def ipsets(self) -> tuple[IPSet, ...]:
        """All of kube-proxy's sets, the empty ones too, with their elements in order."""
        return tuple(
            IPSet(
                name=name,
                type=kind.type,
                entries=tuple(sorted(self.merged.elements(name), key=order)),
            )
            for name, kind in SETS.items()
        )

    @property
    def addresses(self) -> tuple[IPv4Address, ...]:
        """The addresses of ``kube-ipvs0``, in order."""
        return tuple(sorted(self.merged.addresses, key=int))

    def text(self) -> str:
        """What the four tools print of it, each under a line that names the tool."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield "# ipvsadm -Sn"
        for server in self.virtual_servers:
            yield from server.lines()
        yield "# ipset save"
        for ipset in self.ipsets:
            yield from ipset.lines()
        yield "# ip -br addr"
        yield " ".join([DUMMY, "DOWN", *(f"{address}/32" for address in self.addresses)])
        yield "# iptables-save"
        yield from self.iptables.text().splitlines()


def _server_order(server: VirtualServer) -> tuple[str, int, int]:
    return server.protocol, int(server.address.ip), server.address.port
