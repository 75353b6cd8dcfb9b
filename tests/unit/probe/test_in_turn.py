"""Very many flows: in their order, with a bounded number of attempts, and nothing kept of them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

import pytest

from labkit.probe.flow import Flow, Observation, Outcome
from labkit.probe.in_turn import BATCHES, InTurn

ATTEMPTS = 20


class Watched(Observation):
    """An observation of which one can see whether it is still there."""

    __slots__ = ("__weakref__",)


def flows(number: int) -> Iterator[Flow]:
    return (Flow(source="c", address=IPv4Address(n), dport=80) for n in range(number))


def seen(flow: Flow) -> Watched:
    return Watched(flow=flow, attempts=ATTEMPTS, outcomes={Outcome.CONNECTED: ATTEMPTS})


class Network:
    """Answers some batches at once and others when it is told to; counts what is open."""

    def __init__(self, *, silent: bool = False) -> None:
        self.open = self.most_open = self.asked = 0
        self.answer = asyncio.Event()
        if not silent:
            self.answer.set()

    async def observing(self, batch: Sequence[Flow]) -> Sequence[Observation]:
        self.asked += len(batch)
        self.open += len(batch) * ATTEMPTS
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(0)
            await self.answer.wait()
        finally:
            self.open -= len(batch) * ATTEMPTS
        return [seen(flow) for flow in batch]


@pytest.mark.parametrize("most", [10, 100, 1000])
def test_every_flow_is_told_in_its_order_with_few_attempts_open(most: int) -> None:
    async def work() -> tuple[list[int], int]:
        network = Network()
        turns = InTurn(network.observing, flows(333), attempts=ATTEMPTS, most=most)
        found: list[int] = []
        while batch := await turns.some():
            found += [int(each.flow.address) for each in batch]
        return found, network.most_open

    found, most_open = asyncio.run(work())

    assert found == list(range(333))
    assert ATTEMPTS <= most_open <= max(most, ATTEMPTS)


def test_nothing_is_kept_of_a_flow_that_was_told() -> None:
    async def work() -> list[int]:
        turns = InTurn(Network().observing, flows(400), attempts=ATTEMPTS, most=800)
        told: list[weakref.ref[Observation]] = []
        alive: list[int] = []
        while batch := await turns.some():
            told += [weakref.ref(each) for each in batch]
            del batch
            await asyncio.sleep(0)  # the loop lets go of what has just woken this task
            gc.collect()
            alive.append(sum(each() is not None for each in told))
        return alive

    assert set(asyncio.run(work())) == {0}


def test_silent_flows_of_several_batches_are_waited_for_together() -> None:
    async def work() -> None:
        network = Network(silent=True)
        taken = flows(1000)
        turns = InTurn(network.observing, taken, attempts=ATTEMPTS, most=BATCHES * ATTEMPTS * 5)
        waiting = asyncio.ensure_future(turns.some())
        while network.asked < BATCHES * 5:
            await asyncio.sleep(0)
        assert not waiting.done()
        assert int(next(taken).address) == BATCHES * 5, "the others wait for their turn"
        network.answer.set()
        assert len(await waiting) == 5
        await turns.close()

    asyncio.run(work())


def test_closing_gives_up_what_is_open() -> None:
    async def work() -> int:
        network = Network(silent=True)
        turns = InTurn(network.observing, flows(1000), attempts=ATTEMPTS, most=1000)
        waiting = asyncio.ensure_future(turns.some())
        while not network.open:
            await asyncio.sleep(0)
        waiting.cancel()
        await turns.close()
        return network.open

    assert asyncio.run(work()) == 0
