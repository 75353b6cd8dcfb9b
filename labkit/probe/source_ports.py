"""Fresh source ports: none is used twice by a lab until all of them were used."""

from __future__ import annotations

import random
from typing import Final

FIRST_PORT: Final = 32768
LAST_PORT: Final = 60999
"""Linux' own range for clients (ip_local_port_range); above the NodePorts, 30000-32767."""
_PORTS: Final = LAST_PORT - FIRST_PORT + 1


class SourcePorts:
    """One counter per namespace, started at a seeded place.

    A source port that is used again within minutes meets what the kernel remembers of its last
    use: conntrack entries, TIME_WAIT, and IPVS, which mixes up two flows of one client port.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next: dict[int, int] = {}

    def take(self, namespace: int) -> int:
        """Return the next source port of a namespace, which is named by its descriptor."""
        offset = self._next.get(namespace)
        if offset is None:
            offset = self._rng.randrange(_PORTS)
        self._next[namespace] = (offset + 1) % _PORTS
        return FIRST_PORT + offset
