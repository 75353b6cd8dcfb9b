"""``labkit explain``: reasons once, and names as they are written elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.cli import cli
from labkit.cli.ending import run_to_status

SCENARIOS = Path(__file__).parents[3] / "scenarios"


def explain(name: str, *arguments: str) -> int:
    return run_to_status(cli, ["explain", str(SCENARIOS / f"{name}.yaml"), *arguments])


def test_data_planes_that_do_the_same_are_told_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planes = ("--dataplane", "iptables,nftables,ipvs")
    assert explain("nodeport-localhost", "node1", "127.0.0.1:30080", *planes) == 0
    told = capsys.readouterr().out
    heads = [line for line in told.splitlines() if "127.0.0.1:30080: " in line]
    assert [line.rpartition("TCP, ")[2] for line in heads] == ["iptables", "nftables and ipvs"]
    assert told.count("expected: refused") == 1


def test_json_has_each_data_plane_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        explain("hairpin", "web-1", "my-nginx", "--dataplane", "iptables,ipvs", "-o", "json") == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert [each["dataplane"] for each in told] == ["iptables", "ipvs"]


@pytest.mark.parametrize(("node", "status"), [("node1", 200), ("node2", 503)])
def test_a_health_check_port_tells_its_answer(
    node: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain("health-check-node-port", "client", f"{node}:32000") == 0
    assert f"expected: connected, HTTP {status}\n" in capsys.readouterr().out


def test_a_pod_may_be_named_with_its_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("hairpin", "default/web-1", "default/web-1:80") == 0
    assert capsys.readouterr().out.startswith("web-1 → 10.244.1.2:80: ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("client", "nope:1:1"),
            (
                "target nope:1:1 has several colons; give NAME:PORT, or ADDRESS:PORT with an IPv4 "
                "address"
            ),
        ),
        (
            ("client", "node1"),
            "to node1: no port; give node1:PORT, a port from 1 to 65535",
        ),
        (
            ("other/web-1", "my-nginx"),
            (
                "host other/web-1 does not exist in this lab; did you mean web-1? "
                "there are: client, node1, node2, web-1"
            ),
        ),
        (
            ("client", "my-nginx", "--dataplane", "iptable"),
            (
                "there is no data plane iptable; did you mean iptables? "
                "there are: iptables, ipvs, nftables, kube-proxy, none"
            ),
        ),
        (
            ("client", "my-nginx", "--dataplane", ","),
            (
                "--dataplane names no data plane; there are: iptables, ipvs, nftables, kube-proxy, "
                "none"
            ),
        ),
    ],
)
def test_a_wrong_word_is_one_line(
    arguments: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain("hairpin", *arguments) == 2
    assert capsys.readouterr().err == f"labkit: {error}\n"


def test_no_source_is_not_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SCENARIOS / "hairpin.yaml")
    assert run_to_status(cli, ["matrix", file, "--from", ","]) == 2
    assert capsys.readouterr().err == (
        "labkit: --from names no host; give names of clients, nodes and pods, or all\n"
    )
