"""How a block of clusters is searched, with a lab that answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from labkit.errors import LabError
from labkit.fuzz import block as module
from labkit.fuzz.block import CLUSTERS_A_BLOCK, Block, run_block
from labkit.fuzz.ground import Trial, WrongHealth
from labkit.fuzz.hosts import Manifest
from labkit.probe.flow import Flow
from labkit.probe.foreseen import PATIENT
from tests.unit.probe.clusters import NODES

FLOW = Flow(source="node1", address=NODES[0].address, dport=32000)
WRONG = Trial(health=(WrongHealth(flow=FLOW, expected=200, seen=(503,)),))
Answer = Callable[[Sequence[Manifest]], Trial]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[Sequence[Manifest]]]:
    """Put a lab in the place of the real one; return what it is asked to be."""

    def install(answer: Answer) -> list[Sequence[Manifest]]:
        asked: list[Sequence[Manifest]] = []

        class FakeGround:
            patience = PATIENT

            def __init__(self, **_: object) -> None: ...

            def __enter__(self) -> FakeGround:
                return self

            def __exit__(self, *_: object) -> None: ...

            def try_cluster(self, manifests: Sequence[Manifest]) -> Trial:
                asked.append(manifests)
                return answer(manifests)

        monkeypatch.setattr(module, "Ground", FakeGround)
        monkeypatch.setattr(module, "_shows", lambda *_: False)
        return asked

    return install


def local(manifests: Sequence[Manifest]) -> bool:
    return any(
        each["spec"].get("externalTrafficPolicy") == "Local"
        for each in manifests
        if each["kind"] == "Service"
    )


@pytest.mark.parametrize("count", [1, 4, CLUSTERS_A_BLOCK])
def test_a_short_block_begins_as_a_long_one(
    tried: Callable[[Answer], list[Sequence[Manifest]]], count: int
) -> None:
    whole = tried(lambda _: Trial())
    run_block(Block(seed=11))
    part = tried(lambda _: Trial())

    result = run_block(Block(seed=11, count=count))

    assert result.clusters == count
    assert part == whole[:count]


def test_the_smallest_cluster_that_fails_is_kept(
    tried: Callable[[Answer], list[Sequence[Manifest]]],
) -> None:
    tried(lambda manifests: WRONG if local(manifests) else Trial())

    failure = run_block(Block(seed=2)).failure

    assert failure is not None
    assert failure.flows == (
        "node1 to 192.168.0.1:32000 TCP: 503, expected 200: health check port of the Service",
    )
    assert failure.scenario.count("kind: Service\n") == 1
    assert failure.scenario.count("kind: Pod\n") == 0


def test_what_fails_once_and_not_again_counts(
    tried: Callable[[Answer], list[Sequence[Manifest]]],
) -> None:
    answers = iter([Trial(), Trial(), WRONG])

    tried(lambda _: next(answers, Trial()))
    result = run_block(Block(seed=2))

    assert result.failure is not None
    assert result.clusters == 3
    assert "What the lab was before." in result.failure.before


def test_rules_that_are_refused_are_a_failure_with_its_scenario(
    tried: Callable[[Answer], list[Sequence[Manifest]]],
) -> None:
    def refuse(manifests: Sequence[Manifest]) -> Trial:
        if local(manifests):
            raise LabError("iptables-restore on node1 exited 1")
        return Trial()

    tried(refuse)
    failure = run_block(Block(seed=2)).failure

    assert failure is not None
    assert failure.flows == ("iptables-restore on node1 exited 1",)
    assert "externalTrafficPolicy: Local" in failure.scenario


def test_two_kinds_of_failure_are_one_found(
    tried: Callable[[Answer], list[Sequence[Manifest]]],
) -> None:
    def either(manifests: Sequence[Manifest]) -> Trial:
        if local(manifests):
            raise LabError("refused")
        return WRONG if len(manifests) > 4 else Trial()

    tried(either)

    assert run_block(Block(seed=3)).failure is not None


def test_no_cluster_is_begun_when_the_time_is_over(
    tried: Callable[[Answer], list[Sequence[Manifest]]],
) -> None:
    asked = tried(lambda _: Trial())

    result = run_block(Block(seed=2, within_s=0.0))

    assert (result.clusters, asked) == (0, [])


def test_a_failure_shrinks_when_the_time_is_over(
    tried: Callable[[Answer], list[Sequence[Manifest]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("labkit.fuzz.block.time.monotonic", lambda: clock[0])

    def late(manifests: Sequence[Manifest]) -> Trial:
        if not local(manifests):
            return Trial()
        clock[0] = 2.0
        return WRONG

    tried(late)
    failure = run_block(Block(seed=2, within_s=1.0)).failure

    assert failure is not None
    assert failure.scenario.count("kind: Pod\n") == 0
