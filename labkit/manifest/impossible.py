"""Expectations that nothing can fulfil, because one of their fields rules another out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from labkit.manifest import kinds
from labkit.manifest.problems import Finding, Path

ANSWERED: Final = (None, "connected", "mixed")
"""Outcomes under which somebody answers."""


def impossible(expect: kinds.Expect, at: Path) -> Iterator[Finding]:
    """What of an ``expect`` cannot be together."""
    if expect.outcome not in ANSWERED:
        remedy = f"leave it out, or give another outcome than {expect.outcome}"
        for field, message in _of_answers(expect):
            yield Finding((*at, field), f"{message} where the outcome is {expect.outcome}", remedy)
    backends = set(expect.backends or ())
    if expect.same_backend and len(backends) > 1:
        message = f"one pod cannot be {len(backends)} backends"
        remedy = "give one backend, or sameBackend: false"
        yield Finding((*at, "sameBackend"), message, remedy)
    if expect.same_backend is False and len(backends) == 1:
        message = "one backend is always the same pod"
        yield Finding((*at, "sameBackend"), message, "give several backends, or sameBackend: true")
    if expect.same_backend and expect.balance:
        remedy = "leave out one of balance and sameBackend"
        yield Finding((*at, "balance"), "one pod that answers everything has no balance", remedy)


def _of_answers(expect: kinds.Expect) -> Iterator[tuple[str, str]]:
    """The fields that ask for an answer, and why there is none."""
    if expect.backends:
        yield "backends", "nobody answers"
    if expect.client_source is not None:
        yield "clientSource", "no pod tells which source it saw"
    if expect.same_backend is not None:
        yield "sameBackend", "nobody answers"
    if expect.balance is not None:
        yield "balance", "nobody answers"
    if expect.http_status is not None:
        yield "httpStatus", "no HTTP answer comes"
