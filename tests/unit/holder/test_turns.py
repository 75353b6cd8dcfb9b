from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from labkit.errors import LabError
from labkit.holder.turns import Asker, Turns


def test_who_leaves_in_its_turn_ends_it_and_who_leaves_before_it_never_has_it() -> None:
    given_up = threading.Event()
    turns = Turns(given_up.set)
    first, second = Asker(), Asker()
    began = threading.Event()

    def have(asker: Asker) -> None:
        with turns.taken(asker):
            began.set()
            given_up.wait()

    with ThreadPoolExecutor(max_workers=2) as pool:
        has_it = pool.submit(have, first)
        began.wait()
        waits = pool.submit(have, second)
        turns.leave(second)
        assert not given_up.is_set()
        turns.leave(first)
        has_it.result()
        with pytest.raises(LabError, match="nobody waits"):
            waits.result()


def test_what_is_not_to_be_ended_halfway_is_not() -> None:
    given_up: list[str] = []
    turns = Turns(lambda: given_up.append("it"))
    asker = Asker()

    with turns.taken(None):
        turns.leave(asker)

    assert given_up == []
