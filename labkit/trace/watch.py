"""Watches the hosts of a lab: their packets on every interface, and the rules that nodes apply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from labkit.errors import CommandError, KernelError
from labkit.kernel.log_trace import LogTracer
from labkit.kernel.loss_counters import loss_counters
from labkit.kernel.netns import Namespace
from labkit.kernel.nft_trace import NftTracer
from labkit.kernel.rule_events import RuleEvent, RuleTracer
from labkit.trace.capture import Capture
from labkit.trace.path import HostKind
from labkit.trace.recording import Captured, Host, Place, Recording, Traversal, traversals
from labkit.trace.rule_texts import legacy_texts, nft_texts

WHOLE_PACKET_BYTES: Final = 1 << 16
MOST_THREADS: Final = 32
LEGACY_TABLES: Final = Path("/proc/thread-self/net/ip_tables_names")


class Watch:
    """Owns a capture for each host, and a tracer of the rules of each node."""

    def __init__(
        self,
        hosts: Sequence[tuple[Host, Namespace]],
        loop: asyncio.AbstractEventLoop,
        *,
        ipvs: Iterable[str] = (),
    ) -> None:
        """Begin to watch.

        Args:
            hosts: whom, with the namespace of each.
            loop: reads captures; the caller is on it.
            ipvs: hosts where IPVS takes packets for Services.
        """
        self._hosts = {host.name: host for host, _ in hosts}
        self._namespaces = {host.name: namespace for host, namespace in hosts}
        self._ipvs = frozenset(ipvs) & self._hosts.keys()
        self._tracers: dict[str, list[RuleTracer]] = {}
        self.notes: list[str] = []
        """What cannot be watched here, in sentences."""
        self._captures: dict[str, Capture] = {}
        with ExitStack() as stack:
            stack.callback(self._close)
            for host, namespace in hosts:
                self._captures[host.name] = Capture(
                    namespace, loop, snapshot_bytes=WHOLE_PACKET_BYTES
                )
            for host, namespace in hosts:
                if host.kind is HostKind.NODE:
                    self._trace_rules(host.name, namespace)
            self._counters = self._count()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def forget(self) -> None:
        """Leave out what was seen up to now, without reading the rules that it met."""
        for capture in self._captures.values():
            capture.take()
        for tracers in self._tracers.values():
            for tracer in tracers:
                tracer.events()
        self._counters = self._count()

    def taken(self) -> Recording:
        """Return what was seen since this or `forget` was asked last."""
        captured = [
            Captured(name, packet, data)
            for name, capture in self._captures.items()
            for packet, data in capture.take()
        ]
        for name, capture in self._captures.items():
            if capture.dropped:
                self._note(f"more packets crossed {name} than could be kept; some are missing")
        counters = self._count()
        before, self._counters = self._counters, counters
        return Recording(
            hosts=self._hosts,
            captured=tuple(captured),
            traversals={name: self._traversals(name) for name in self._tracers},
            ipvs=self._ipvs,
            losses={name: _grown(before[name], counters[name]) for name in counters},
        )

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _traversals(self, host: str) -> tuple[Traversal, ...]:
        found: list[Traversal] = []
        for tracer in self._tracers[host]:
            events = tracer.events()
            if tracer.lost:
                self._note(f"{host} told more of its rules than could be taken; some are missing")
            found += traversals(events, self._texts(host, tracer, events))
        return tuple(found)

    def _texts(
        self, host: str, tracer: RuleTracer, events: Sequence[RuleEvent]
    ) -> Mapping[Place, str]:
        if not events:
            return {}
        namespace = self._namespaces[host]
        if isinstance(tracer, LogTracer):
            return legacy_texts(namespace)
        return nft_texts(namespace, events)

    def _close(self) -> None:
        for capture in self._captures.values():
            capture.stop()
        owned: list[Capture | RuleTracer] = [*self._captures.values()]
        owned += [each for tracers in self._tracers.values() for each in tracers]
        # Each waits for the kernel, and all can wait for the same thing.
        with ThreadPoolExecutor(max_workers=MOST_THREADS) as pool:
            for _ in pool.map(lambda each: each.close(), owned):
                pass

    def _trace_rules(self, host: str, namespace: Namespace) -> None:
        found = self._tracers.setdefault(host, [])
        with suppress(KernelError):
            found.append(NftTracer(namespace))
        if namespace.run(_has_legacy_tables):
            with suppress(KernelError, CommandError):
                found.append(LogTracer(namespace))
        if not found:
            self.notes.append(
                f"this kernel does not trace rules on {host}: who rewrote a packet is not told"
            )

    def _count(self) -> Mapping[str, Mapping[str, int]]:
        return {name: loss_counters(each) for name, each in self._namespaces.items()}


def _has_legacy_tables() -> bool:
    try:
        return bool(LEGACY_TABLES.read_text(encoding="ascii").split())
    except FileNotFoundError:
        return False


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value > before.get(name, 0)
    }
