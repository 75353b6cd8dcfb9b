"""What labkit asks of the kernel is counted, never timed: so many for each pod, and no more.

A host is one visit to its namespace: one unshare, one socket, one batch of messages of which the
last is acknowledged. That is what docs/performance.md promises and what keeps a lab at the kernel's
own speed; a query or a second batch for each host would double it on a quiet machine, and no test
on a busy one would see that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

COUNTED = Path(__file__).with_name("counted.py")
ROOT = Path(__file__).parents[2]
OWN = 5
"""Messages that make a pod: lo up, the veth, eth0 up, its address, its route."""
HAIRPIN = 1
"""One message for its port, sent with those of all pods of its node."""


def counted(*words: str) -> Mapping[str, Any]:
    done = subprocess.run(
        [sys.executable, str(COUNTED), *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def more(after: Mapping[str, Any], before: Mapping[str, Any], what: str) -> int:
    return int(after[what]) - int(before[what])


@pytest.mark.parametrize("nodes", [1, 4])
def test_a_pod_is_one_namespace_one_socket_and_one_batch(nodes: int) -> None:
    few, many = counted("pods", str(nodes), "20"), counted("pods", str(nodes), "100")

    assert more(many, few, "namespaces") == 80
    assert more(many, few, "netlink sockets") == 80
    assert more(many, few, "sends") == 80
    assert more(many, few, "messages") == 80 * (OWN + HAIRPIN)


def test_a_node_more_costs_the_same_whatever_number_of_pods_there_is() -> None:
    small = more(counted("pods", "2", "20"), counted("pods", "1", "20"), "sends")
    large = more(counted("pods", "2", "100"), counted("pods", "1", "100"), "sends")

    assert small == large


def test_rules_are_one_program_for_each_node() -> None:
    found = counted("command", "run", "scenarios/nodeport-cluster.yaml")

    assert found["status"] == 0
    assert len(found["programs"]) == 2
    assert all(program.endswith("-restore") for program in found["programs"])
    # The fabric, two nodes, a client and two pods, and one to look into what the kernel can do.
    assert found["namespaces"] <= 7
