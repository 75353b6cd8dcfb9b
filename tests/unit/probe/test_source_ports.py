from __future__ import annotations

from labkit.probe.source_ports import FIRST_PORT, LAST_PORT, SourcePorts
from tests.unit.probe.clusters import seeded


def test_no_source_port_is_used_twice_before_all_were_used() -> None:
    ports = SourcePorts(seeded(3))
    count = LAST_PORT - FIRST_PORT + 1

    taken = [ports.take(7) for _ in range(count)]

    assert sorted(taken) == list(range(FIRST_PORT, LAST_PORT + 1))
    assert ports.take(7) == taken[0]


def test_namespaces_count_on_their_own_from_a_seeded_place() -> None:
    ports, same = SourcePorts(seeded(3)), SourcePorts(seeded(3))

    taken = [(ports.take(1), ports.take(2)) for _ in range(5)]

    assert taken == [(same.take(1), same.take(2)) for _ in range(5)]
    assert taken[0][0] != taken[0][1]
    assert taken[0][0] != SourcePorts(seeded(4)).take(1)
