"""Which of a Dask cluster's workers measure: one on each machine."""

from __future__ import annotations

from labkit.bench.on_dask import one_worker_a_machine


def test_one_worker_a_machine_measures() -> None:
    workers = [
        ("192.0.2.2", "tcp://192.0.2.2:4"),
        ("192.0.2.1", "tcp://192.0.2.1:7"),
        ("192.0.2.2", "tcp://192.0.2.2:3"),
    ]

    assert one_worker_a_machine(workers) == ["tcp://192.0.2.1:7", "tcp://192.0.2.2:3"]
