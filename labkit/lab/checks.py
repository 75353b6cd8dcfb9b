"""Runs Checks in a lab, all at once, and judges what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address

from msgspec import structs

from labkit.cluster.model import Client, Cluster, Node, Pod, Protocol
from labkit.lab.running import Running
from labkit.lab.targets import resolve
from labkit.manifest.kinds import Check, LocatedCheck
from labkit.probe.expected import judged_row
from labkit.probe.flow import Flow, Observation
from labkit.probe.table import flow_row
from labkit.probe.verdict import CheckResult, Context, Reply, Sender, judge
from labkit.probe.words import source_words
from labkit.trace.capture import Capture, capture, stranger_replies


def run_checks(
    running: Running, checks: Sequence[LocatedCheck], *, attempts: int | None = None
) -> list[CheckResult]:
    """Return the result of every Check, in their order.

    Args:
        running: the lab.
        checks: what to look at.
        attempts: for Checks that do not say themselves.

    Raises:
        UsageError: a Check names something that the lab does not have any more.
        MissingFeature: this kernel lacks what a Check's protocol needs.
    """
    return running.loop.run(_run(running, checks, attempts))


async def _run(
    running: Running, checks: Sequence[LocatedCheck], attempts: int | None
) -> list[CheckResult]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(running, check, attempts)) for check in checks]
    except ExceptionGroup as errors:
        # What went wrong first; callers catch labkit's errors and not groups of them.
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _one(running: Running, located: LocatedCheck, attempts: int | None) -> CheckResult:
    located = _under(located, running.cluster)
    spec = located.check.spec
    names = [spec.from_] if isinstance(spec.from_, str) else spec.from_
    flows = [
        replace(
            resolve(running.cluster, name, spec.to, Protocol(spec.protocol)),
            request_bytes=spec.request_bytes or 0,
        )
        for name in names
    ]
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        captures = [
            await stack.enter_async_context(capture(running.namespace(flow.source)))
            for flow in (flows if _wants_capture(located.check) else ())
        ]
        observations = await running.observing(flows, attempts=spec.attempts or attempts)
    elapsed_s = time.monotonic() - began
    enough = (spec.attempts or attempts) is None
    contexts = [
        replace(
            _context(running.cluster, observation, captures[index] if captures else None),
            row=judged_row(running.cluster, flow_row(observation), enough=enough),
        )
        for index, observation in enumerate(observations)
    ]
    return judge(
        located,
        observations,
        contexts,
        dataplane=running.cluster.dataplane,
        elapsed_s=elapsed_s,
    )


def _under(located: LocatedCheck, cluster: Cluster) -> LocatedCheck:
    """The same Check with what is expected under the data plane.

    A real kube-proxy does what the data plane of its mode does, unless more is said of it.
    """
    real = cluster.real_kube_proxy
    planes = (cluster.dataplane, real.mode) if real else (cluster.dataplane,)
    spec = located.check.spec.under(*planes)
    return replace(located, check=structs.replace(located.check, spec=spec))


def _wants_capture(check: Check) -> bool:
    expect = check.spec.expect
    return expect.reply_from is not None or expect.source_answers is not None


def _context(cluster: Cluster, observation: Observation, captured: Capture | None) -> Context:
    flow = observation.flow
    words = {seen: source_words(cluster, flow.source, seen) for seen in observation.sources_seen}
    if captured is None:
        return Context(words=words)
    return Context(words=words, reply=_reply(cluster, flow, captured))


def _reply(cluster: Cluster, flow: Flow, captured: Capture) -> Reply:
    replies = stranger_replies(captured.packets, flow)
    return Reply(
        senders=tuple(
            Sender(address=address, names=names_of(cluster, address))
            for address in replies.addresses
        ),
        source_sent_rst=replies.source_answers == "RST",
    )


def names_of(cluster: Cluster, address: IPv4Address) -> tuple[str, ...]:
    """Every host that has an address: clients, nodes and pods."""
    hosts: list[Client | Node | Pod] = [*cluster.clients, *cluster.nodes, *cluster.pods]
    return tuple(host.name for host in hosts if host.address == address)
