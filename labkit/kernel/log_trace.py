"""Traces packets through the rules of the legacy iptables.

Rules of labkit's own in the raw table send every packet to the TRACE target; nfnetlink_log hands
over what that logs, to this namespace alone. What rules do stays the same.

Source: iptables-extensions(8), TRACE; linux/netfilter/nfnetlink_log.h; net/ipv4/netfilter/
ip_tables.c, trace_packet, whose prefix is ``TRACE: table:chain:rule:number``.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from labkit.errors import CommandError
from labkit.kernel import netlink
from labkit.kernel.netlink import ACK, REQUEST, Request
from labkit.kernel.netns import Namespace
from labkit.kernel.rule_events import Listener, RuleEvent

SUBSYSTEM_LOG: Final = 4
PACKET, CONFIG = 0, 1
BIND, BIND_FAMILY = 1, 3
COPY_PACKET: Final = 2
COPIED_BYTES: Final = 128
"""Of each packet: its headers."""
COMMAND, MODE, THRESHOLD = 1, 2, 5
MARK, PAYLOAD, PREFIX = 2, 9, 10
MESSAGE: Final = SUBSYSTEM_LOG << 8 | PACKET
GROUP: Final = 0
"""What TRACE logs to."""
SAID: Final = re.compile(r"TRACE: ([^:]+):([^:]+):(rule|return|policy):(\d+)")
HOOKS: Final = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
RULES: Final = ("PREROUTING", "OUTPUT")
RESTORE: Final = ("iptables-legacy-restore", "--noflush")


class LogTracer:
    """Owns a netlink socket and two rules of the raw table in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        """Begin to trace.

        Raises:
            KernelError: the kernel has no nfnetlink_log.
            CommandError: there is no iptables-legacy, or the kernel has no TRACE.
        """
        self._namespace = namespace
        self._listener = namespace.run(lambda: _listen(namespace.name))
        try:
            self._change("-I")
        except BaseException:
            self._listener.socket.close()
            raise

    @property
    def lost(self) -> bool:
        """Whether more was told than the socket could hold."""
        return self._listener.lost

    def events(self) -> list[RuleEvent]:
        """What was told since it was asked last, in order."""
        return rule_events(found for _family, found in self._listener.messages(MESSAGE))

    def close(self) -> None:
        """Take the rules away and stop; safe to call again."""
        if self._listener.socket.fileno() < 0:
            return
        self._listener.socket.close()
        with suppress(CommandError):  # somebody has flushed the raw table
            self._change("-D")

    def _change(self, option: str) -> None:
        rules = "".join(f"{option} {chain} -j TRACE\n" for chain in RULES)
        self._namespace.execute(list(RESTORE), stdin=f"*raw\n{rules}COMMIT\n")


class Entered(NamedTuple):
    """Where a packet is just now."""

    number: int
    table: str
    hook: str


def rule_events(messages: Iterable[Mapping[int, bytes]]) -> list[RuleEvent]:
    """Return what messages tell, in order; processors may tell of their packets by turns."""
    events: list[RuleEvent] = []
    packets: dict[bytes, Entered] = {}
    for found in messages:
        said = SAID.match(found.get(PREFIX, b"").decode(errors="replace"))
        if said is None or said[1] == "raw":
            continue
        table, chain, kind, number = said.groups()
        packet = found.get(PAYLOAD, b"")
        known = packets.get(packet)
        hook = chain if chain in HOOKS or known is None else known.hook
        entered = known is None or (table, hook) != (known.table, known.hook)
        now = Entered(len(events), table, hook) if known is None or entered else known
        packets[packet] = now
        events.append(
            RuleEvent(
                packet=now.number,
                table=table,
                chain=chain,
                rule=int(number) if kind == "rule" else 0,
                drops=None,
                mark=int.from_bytes(found.get(MARK, b""), "big"),
                header=packet if entered else b"",
            )
        )
    return events


def _listen(where: str) -> Listener:
    listener = Listener()
    copy = struct.pack("!IBx", COPIED_BYTES, COPY_PACKET)
    settings = (
        ("log IPv4 here", socket.AF_INET, netlink.attribute(COMMAND, bytes([BIND_FAMILY]))),
        ("bind to the log", socket.AF_UNSPEC, netlink.attribute(COMMAND, bytes([BIND]))),
        ("copy packets", socket.AF_UNSPEC, netlink.attribute(MODE, copy)),
        # One message for each: what is logged is there before the packet goes on.
        ("tell at once", socket.AF_UNSPEC, netlink.attribute(THRESHOLD, struct.pack("!I", 1))),
    )
    try:
        for what, family, body in settings:
            header = struct.pack("!BBH", family, 0, GROUP)
            request = Request(what, SUBSYSTEM_LOG << 8 | CONFIG, REQUEST | ACK, header + body)
            netlink.send(listener.socket, [request], where=where)
    except BaseException:
        listener.socket.close()
        raise
    return listener
