"""Pictures and pages of labs that stay show them as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, Labs, labs_in

NAME = "nodeport-cluster"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: latecomer, labels: {run: my-nginx}}
spec:
  nodeName: node2
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
"""


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        mine.ok("up", CLUSTER)
        yield mine


def test_a_picture_shows_what_was_applied(labs: Labs) -> None:
    assert "latecomer" not in labs.ok("graph", NAME)

    labs.ok("apply", NAME, "-", stdin=POD)

    for form in ("svg", "mermaid", "dot", "html"):
        assert "latecomer" in labs.ok("graph", NAME, "-o", form)


def test_a_picture_is_of_the_lab_as_it_was_built(labs: Labs) -> None:
    done = labs.run("graph", NAME, "--dataplane", "ipvs")

    assert done.returncode == 2
    assert done.stderr == (
        f"labkit: --dataplane is for building, and lab {NAME} is up; give its file instead\n"
    )


def test_the_page_of_a_flow_table_holds_topology_and_rules(labs: Labs) -> None:
    labs.ok("apply", NAME, "-", stdin=POD)

    page = labs.ok("matrix", NAME, "-o", "html")

    assert '<svg class="topology"' in page
    assert "latecomer" in page
    assert "Rules of node2" in page
    assert "iptables-restore" in page


def test_the_page_of_a_failing_check_holds_the_way_of_its_packets(labs: Labs) -> None:
    labs.ok("apply", NAME, "-", stdin=POD)

    done = labs.run("check", NAME, "-o", "html")

    assert done.returncode == 1
    assert "latecomer answered too" in done.stdout
    assert '<svg class="sequence"' in done.stdout
