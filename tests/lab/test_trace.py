"""`labkit trace` in real labs: the three stories, captures, labs that stay, and nothing left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit.errors import UsageError
from labkit.pytest_plugin import LabFactory
from labkit.trace.path import Fate
from tests.lab.held import Labs

ROOT = Path(__file__).parents[2]
LABKIT = str(Path(sys.executable).parent / "labkit")
SCENARIOS = ROOT / "scenarios"


def trace(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LABKIT, "trace", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    (tmp_path / "run").mkdir(mode=0o700)
    found = Labs(tmp_path / "run")
    yield found
    found.run("down", "--all")


def test_with_snat_the_pod_sees_the_node_and_the_answer_comes_back_by_it(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")

    (path,) = cluster.trace("client", "node2:30080").paths

    request, reply = path.legs
    ways = [tuple(dict.fromkeys(hop.host for hop in leg.hops)) for leg in (request, reply)]
    assert ways == [
        ("client", "node2", "node1", "web-1"),
        ("web-1", "node1", "node2", "client"),
    ]
    by = {change.field: change.by for hop in request.hops for change in hop.changes}
    assert by["destination"].startswith("KUBE-SEP-")
    assert by["source"] == "KUBE-POSTROUTING"
    assert path.verdict == (
        "connected: web-1 answered, and saw 192.168.0.2 (node2) instead of client"
    )


def test_without_snat_the_client_hears_from_a_stranger_and_resets(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-without-snat.yaml")

    (path,) = cluster.trace("client", "node2:30080").paths

    assert [leg.packet for leg in path.legs] == ["SYN", "SYN, ACK", "RST"]
    assert path.legs[1].is_stranger
    assert str(path.legs[1].hops[-1].source) == "10.244.1.2:80"
    assert path.verdict.startswith("timed out: web-1 answered straight from 10.244.1.2:80")


def test_with_policy_local_a_node_without_a_pod_drops_and_one_with_it_keeps_the_source(
    lab: LabFactory,
) -> None:
    cluster = lab(SCENARIOS / "nodeport-local-elsewhere.yaml")

    (there,) = cluster.trace("client", "node1:30081").paths
    (nowhere,) = cluster.trace("client", "node2:30081").paths

    assert "saw client's own address" in there.verdict
    assert (nowhere.legs[0].end.fate, nowhere.legs[0].end.by) == (
        Fate.DROPPED,
        "KUBE-EXTERNAL-SERVICES",
    )
    assert "has no local endpoints" in nowhere.verdict


def test_tracing_leaves_no_rule_behind_and_later_changes_see_no_stranger(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")
    before = cluster.exec("node2", ["nft", "list", "tables"]).stdout

    cluster.trace("client", "node2:30080")

    assert cluster.exec("node2", ["nft", "list", "tables"]).stdout == before


def test_the_legacy_backend_names_the_same_chains(lab: LabFactory) -> None:
    found = [
        lab(SCENARIOS / "nodeport-cluster.yaml", iptables=backend)
        .trace("client", "node2:30080")
        .paths[0]
        for backend in ("nft", "legacy")
    ]

    nft, legacy = (
        [change.chains for hop in path.legs[0].hops for change in hop.changes] for path in found
    )
    assert nft == legacy
    assert all(nft)


def test_a_tunnel_between_nodes_is_told(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "snat-address-vxlan.yaml")
    pod = cluster.cluster.pods[0]
    other = next(node.name for node in cluster.cluster.nodes if node.name != pod.node)

    (path,) = cluster.trace(other, f"{pod.address}:80").paths

    outer = {
        (str(hop.tunnel[0]), str(hop.tunnel[1]))
        for hop in path.legs[0].hops
        if hop.tunnel is not None
    }
    addresses = {node.name: str(node.address) for node in cluster.cluster.nodes}
    assert outer == {(addresses[other], addresses[pod.node])}


def test_attempts_that_go_the_same_way_are_one_path(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "external-ip.yaml")

    paths = cluster.trace("client", "203.0.113.7:80", attempts=40).paths

    assert sum(path.attempts for path in paths) == 40
    assert sorted(path.pod or "" for path in paths) == sorted(
        pod.name for pod in cluster.cluster.pods if pod.name.startswith("web")
    )


def test_as_many_packets_are_followed_as_asked_for(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")

    (story,) = cluster.trace("client", "node2:30080").paths
    (more,) = cluster.trace("client", "node2:30080", packets=5).paths

    assert (len(story.legs), len(more.legs)) == (2, 5)
    assert [leg.packet for leg in more.legs[:3]] == ["SYN", "SYN, ACK", "ACK"]
    assert story.more_packets > 0


def test_an_unknown_host_is_refused_with_the_nearest(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")

    with pytest.raises(UsageError, match="did you mean client"):
        cluster.trace("clint", "node2:30080")


def test_the_command_tells_the_same_in_every_format(tmp_path: Path) -> None:
    outputs = [f"{name}={tmp_path / name}" for name in ("table", "markdown", "mermaid", "json")]

    done = trace(
        "scenarios/nodeport-cluster.yaml",
        "client",
        "node2:30080",
        *(word for each in outputs for word in ("-o", each)),
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    verdict = json.loads((tmp_path / "json").read_text())["paths"][0]["verdict"]
    assert verdict in (tmp_path / "table").read_text()
    assert (tmp_path / "mermaid").read_text().startswith("sequenceDiagram\n")
    assert "```mermaid" in (tmp_path / "markdown").read_text()


@pytest.mark.parametrize("rootless", [False, True])
def test_a_capture_is_read_by_tcpdump(tmp_path: Path, *, rootless: bool) -> None:
    if shutil.which("tcpdump") is None:
        pytest.skip("no tcpdump here; apt-get install tcpdump")
    file = tmp_path / "lab.pcapng"

    done = trace(
        "scenarios/nodeport-cluster.yaml",
        "client",
        "node2:30080",
        "--pcap",
        str(file),
        *(["--rootless"] if rootless else []),
    )

    assert done.returncode == 0, done.stderr
    read = subprocess.run(
        ["tcpdump", "-nr", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert "192.168.0.100.60438 > 192.168.0.2.30080: Flags [S]" in read
    assert "10.244.1.2.80 > 192.168.0.2" in read
    assert b"destination becomes 10.244.1.2:80 by KUBE-SEP-" in file.read_bytes()


def test_a_lab_that_stays_is_traced_by_its_name(labs: Labs, tmp_path: Path) -> None:
    assert labs.run("up", "scenarios/nodeport-cluster.yaml").returncode == 0
    file = tmp_path / "lab.pcapng"

    done = labs.run("trace", "nodeport-cluster", "client", "node2:30080", "--pcap", str(file))

    assert done.returncode == 0, done.stderr
    assert "delivered to web-1" in done.stdout
    assert file.stat().st_size > 1000

    done = labs.run("trace", "nodeport-cluster", "client", "node9:30080")

    assert done.returncode == 2
    assert "did you mean node" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["scenarios/nodeport-cluster.yaml", "clent", "node2:30080"], 2, "did you mean client"),
        (["scenarios/nodeport-cluster.yaml", "client", "node2"], 2, "port"),
        (
            ["scenarios/nodeport-cluster.yaml", "client", "node2:1", "--pcap", "none/a.pcapng"],
            2,
            "none is no folder",
        ),
        (
            [
                *("scenarios/nodeport-cluster.yaml", "client", "node2:1", "--pcap", "a.pcapng"),
                *("--dataplane", "iptables,nftables"),
            ],
            2,
            "holds one capture, and 2 are asked for",
        ),
        (["nobody", "client", "node2:1"], 2, "nobody"),
        (["scenarios/udp.yaml", "client", "node1:1", "-o", "junit"], 2, "table, markdown"),
    ],
)
def test_bad_usage_is_told_in_one_line(words: list[str], status: int, said: str) -> None:
    done = trace(*words)

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_answers_nothing_and_a_port_that_nobody_has(lab: LabFactory) -> None:
    cluster: labkit.Lab = lab(SCENARIOS / "nodeport-cluster.yaml")

    (path,) = cluster.trace("client", "node1:81").paths

    assert path.verdict == "refused: node1 answered RST, ACK: nothing listens on 192.168.0.1:81"
