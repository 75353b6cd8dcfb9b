"""What it takes to host a real kube-proxy: a program, its mode and an event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import NamedTuple, Protocol, TypeVar

from labkit.dataplane.kube_proxy.program import Program

T = TypeVar("T")


class Loop(Protocol):
    """The event loop that everything of a lab runs on."""

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` on the loop and return what it returns."""
        ...


class Hosting(NamedTuple):
    """What it takes to host a real kube-proxy."""

    program: Program
    mode: str
    loop: Loop
