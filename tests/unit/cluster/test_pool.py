"""The pool that cluster IPs and node ports come from."""

from __future__ import annotations

from labkit.cluster.addresses import Pool


def test_the_first_free_number_is_taken() -> None:
    pool = Pool(range(30000, 30004))
    pool.hold([30001])

    assert [pool.take() for _ in range(4)] == [30000, 30002, 30003, None]


def test_a_number_held_twice_is_free_when_both_have_let_go() -> None:
    pool = Pool(range(30000, 30002))
    pool.hold([30000, 30000])
    pool.release([30000])

    assert pool.take() == 30001
    pool.release([30000])
    assert pool.take() == 30000


def test_a_copy_is_changed_alone() -> None:
    pool = Pool(range(3))
    other = pool.copy()

    assert (other.take(), other.take()) == (0, 1)
    assert pool.take() == 0


def test_one_more_looks_at_no_number_in_use() -> None:
    """Numbers that were passed once are passed no more: it would be every Service, each time."""

    class Counted(dict[int, int]):
        looks = 0

        def __contains__(self, number: object) -> bool:
            Counted.looks += 1
            return super().__contains__(number)

    pool = Pool(range(100_000))
    pool._uses = Counted()
    for _ in range(1000):
        pool.take()
    Counted.looks = 0

    assert pool.take() == 1000
    assert Counted.looks == 1
