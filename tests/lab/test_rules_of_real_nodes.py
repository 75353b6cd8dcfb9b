"""Nodes with the rules that the real kube-proxy left in a kernel do what it did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from labkit.errors import CommandError
from labkit.pytest_plugin import LabFactory
from tests.lab.truths import differences
from tests.recorded import TRUTH

NODES = ("node1", "node2", "node3")
DUMPS: Mapping[str, tuple[str, ...]] = {
    "iptables": ("iptables-save",),
    "nftables": ("nft",),
    "ipvs": ("ipvs-ipset", "iptables-save"),
}
SCENARIOS = ("nodeport-local", "loadbalancer-ranges-in", "externalip")


def dumps(dataplane: str, folder: Path) -> Mapping[str, Path]:
    """What the tools printed on each node, in one file a node."""
    files: dict[str, Path] = {}
    for node in NODES:
        kinds = DUMPS[dataplane]
        texts = [(TRUTH / f"rules/{dataplane}/{node}.{kind}.txt").read_text() for kind in kinds]
        files[node] = folder / f"{node}.txt"
        files[node].write_text("\n".join(texts))
    return files


@pytest.mark.parametrize("dataplane", DUMPS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_replayed_rules_do_what_the_real_kube_proxy_did(
    scenario: str, dataplane: str, lab: LabFactory, tmp_path: Path
) -> None:
    files = dumps(dataplane, tmp_path)
    path = TRUTH / f"scenarios/{scenario}.yaml"

    running = lab(path, dataplane="none", rules=files)

    assert differences(running, dataplane, scenario) == []
    named = [f"{node}: {files[node]}" for node in NODES]
    assert running.rules_source == "; ".join(["none", *named])


def test_a_node_without_a_dump_has_rendered_rules(lab: LabFactory, tmp_path: Path) -> None:
    files = dumps("iptables", tmp_path)

    running = lab(
        TRUTH / "scenarios/nodeport-local.yaml",
        dataplane="iptables",
        rules={"node1": files["node1"]},
    )

    assert differences(running, "iptables", "nodeport-local") == []
    assert "KUBE-SVC" in running.rules("node2")


def test_a_dump_stays_as_it_is_when_the_lab_changes(lab: LabFactory, tmp_path: Path) -> None:
    file = tmp_path / "node1.txt"
    file.write_text("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 81 -j DROP\nCOMMIT\n")
    running = lab(nodes=1, rules={"node1": file})

    running.add_pod("web", node="node1", labels={"app": "web"}, ports=[80, 81])
    running.add_service("web", selector={"app": "web"}, ports=[{"port": 80}])

    assert running.rules("node1") == file.read_text()


def test_what_a_tool_refuses_of_a_dump_is_told_with_node_and_line(
    lab: LabFactory, tmp_path: Path
) -> None:
    file = tmp_path / "node1.txt"
    file.write_text("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j NO-SUCH-CHAIN\nCOMMIT\n")

    with pytest.raises(CommandError, match=r"node1 (?s:.)*NO-SUCH-CHAIN(?s:.)*line 4"):
        lab(nodes=1, rules={"node1": file})
