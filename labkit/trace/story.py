"""Tells what became of an attempt, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from labkit.probe.flow import Answer, Flow, Outcome
from labkit.trace.path import Address, Fate, Leg

OUTCOMES = {
    Outcome.CONNECTED: "connected",
    Outcome.REFUSED: "refused",
    Outcome.TIMED_OUT: "timed out",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.RESET: "reset",
}


def verdict(
    flow: Flow, legs: tuple[Leg, ...], answer: Answer, owners: Mapping[IPv4Address, str]
) -> str:
    """Return what happened, in a sentence or two.

    Args:
        flow: what was asked.
        legs: every packet of the attempt.
        answer: what the source saw.
        owners: whose each address is.
    """
    word = OUTCOMES[answer.outcome]
    return f"{word}: {_why(flow, legs, answer, owners)}"


def _why(
    flow: Flow, legs: tuple[Leg, ...], answer: Answer, owners: Mapping[IPv4Address, str]
) -> str:
    if not legs:
        return (
            f"{flow.source} sent nothing: it has no route to {flow.address}, or nobody there has"
            " the address of the next hop"
        )
    if answer.outcome is Outcome.CONNECTED:
        return _connected(flow, legs[0], answer, owners)
    stranger = next((leg for leg in legs if leg.is_stranger), None)
    if stranger is not None:
        return _stranger(flow, legs, stranger, owners)
    request, *_ = legs
    if request.end.fate is Fate.DELIVERED:
        return _answered(legs, answer.outcome)
    return _ended(request)


def _connected(flow: Flow, request: Leg, answer: Answer, owners: Mapping[IPv4Address, str]) -> str:
    who = answer.pod or request.end.host
    if answer.source_seen is None:
        return f"{who} answered"
    sent = request.hops[0].source.ip
    owner = owners.get(answer.source_seen, "")
    if answer.source_seen == sent or owner == flow.source:
        return f"{who} answered, and saw {flow.source}'s own address {answer.source_seen}"
    known = f" ({owner})" if owner else ""
    return f"{who} answered, and saw {answer.source_seen}{known} instead of {flow.source}"


def _stranger(
    flow: Flow, legs: tuple[Leg, ...], stranger: Leg, owners: Mapping[IPv4Address, str]
) -> str:
    from_ = stranger.hops[-1].source
    who = owners.get(from_.ip, stranger.hops[0].host)
    after = legs[legs.index(stranger) + 1 :]
    refusal = next((leg.packet for leg in after if not leg.is_reply and _refuses(leg)), "")
    answered = f" and answered {refusal}" if refusal else ""
    return (
        f"{who} answered straight from {from_}, but {flow.source} had asked"
        f" {Address(flow.address, flow.dport)}: it took that for a stranger{answered}"
    )


def _refuses(leg: Leg) -> bool:
    return leg.packet.startswith(("RST", "ICMP"))


def _answered(legs: tuple[Leg, ...], outcome: Outcome) -> str:
    request = legs[0]
    to = request.hops[-1].destination
    replies = [leg for leg in legs if leg.is_reply]
    if not replies:
        return f"the packet reached {request.end.host}, which did not answer"
    reply = replies[-1] if _refuses(replies[-1]) else replies[0]
    if reply.end.fate is not Fate.DELIVERED:
        return f"{reply.hops[0].host} answered {reply.packet}, but {_ended(reply)}"
    if _refuses(reply):
        nobody = f"nothing listens on {to}" if reply.hops[0].host == request.end.host else "no way"
        return f"{reply.hops[0].host} answered {reply.packet}: {nobody}"
    then = "nothing more was heard" if outcome is Outcome.TIMED_OUT else "the connection broke off"
    return f"{reply.hops[0].host} answered {reply.packet}, and then {then}"


def _ended(leg: Leg) -> str:
    end = leg.end
    if end.fate is Fate.DELIVERED:
        return f"it reached {end.host}"
    if end.fate is Fate.LOST:
        return f"the packet was lost on {end.host}: {end.reason}"
    done = "rejected" if end.fate is Fate.REJECTED else "dropped"
    return f"{end.host} {done} the packet in {end.by}{_comment(end.rule)}"


def _comment(rule: str) -> str:
    """What the rule's own comment says, if it has one."""
    parts = rule.split('"')
    return f": {parts[1]}" if len(parts) > 1 else ""
