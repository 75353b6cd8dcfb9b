from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.probe.flow import Answer, Flow, Outcome
from labkit.trace.follow import legs
from labkit.trace.story import verdict
from tests.unit.trace.recordings import ASK, NODE2, WITH_SNAT

FLOW = Flow(source="client", address=NODE2, dport=30080)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.TIMED_OUT, "timed out: web-1 answered SYN, ACK, and then nothing more was heard"),
        (Outcome.RESET, "reset: web-1 answered SYN, ACK, and then the connection broke off"),
    ],
)
def test_a_program_that_takes_the_connection_and_says_nothing_did_not_break_it_off(
    outcome: Outcome, said: str
) -> None:
    assert verdict(FLOW, legs(WITH_SNAT, ASK), Answer(outcome=outcome), {}) == said


def test_who_sent_nothing_is_not_said_to_lack_a_route() -> None:
    nothing = replace(WITH_SNAT, captured=(), traversals={})

    told = verdict(FLOW, legs(nothing, ASK), Answer(outcome=Outcome.TIMED_OUT), {})

    assert told == (
        "timed out: client sent nothing: it has no route to 192.168.0.2, or nobody there has the"
        " address of the next hop"
    )
