"""Every flow agrees with what the real kube-proxy did (tests/truth/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.pytest_plugin import LabFactory
from tests.lab.truths import differences, truth_of
from tests.recorded import SCENARIOS

DATAPLANES = ("iptables", "nftables", "ipvs")
"""Those that this kernel can be expected to run; the fixture skips what it lacks."""

for_every_recording = pytest.mark.parametrize(
    ("dataplane", "path"),
    [(dataplane, path) for dataplane in DATAPLANES for path in SCENARIOS],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)


def test_there_are_recorded_scenarios() -> None:
    assert SCENARIOS


@for_every_recording
def test_every_flow_agrees_with_the_real_kube_proxy(
    dataplane: str, path: Path, lab: LabFactory
) -> None:
    assert differences(lab(path, dataplane=dataplane), dataplane, path.stem) == []


@for_every_recording
def test_health_check_ports_agree_with_the_real_kube_proxy(
    dataplane: str, path: Path, lab: LabFactory
) -> None:
    truth = truth_of(dataplane, path.stem)

    table = lab(path, dataplane=dataplane).matrix(["node1"], attempts=1)

    assert (table.health_check_node_port or {}) == truth.health_check_node_port
