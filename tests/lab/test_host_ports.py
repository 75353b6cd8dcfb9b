"""Host ports in a running lab: they come and go with their pods, beside every data plane."""

from __future__ import annotations

import pytest

from labkit.pytest_plugin import LabFactory

PLANES = ["iptables", "nftables", "none"]


@pytest.mark.parametrize("dataplane", PLANES)
def test_a_host_port_comes_and_goes_with_its_pod(lab: LabFactory, dataplane: str) -> None:
    cluster = lab(nodes=2, dataplane=dataplane)
    for _ in range(2):
        assert cluster.probe("client", to="node1:8080").outcome == "refused"

        cluster.add_pod("web-1", node="node1", ports=[{"containerPort": 80, "hostPort": 8080}])
        assert cluster.probe("client", to="node1:8080").backends.keys() == {"web-1"}
        assert cluster.probe("node1", to="127.0.0.1:8080").backends.keys() == {"web-1"}
        assert cluster.probe("client", to="node2:8080").outcome == "refused"

        cluster.remove("Pod", "web-1")


@pytest.mark.parametrize("dataplane", PLANES)
def test_iptables_shows_the_rules_as_they_were_given(lab: LabFactory, dataplane: str) -> None:
    cluster = lab("scenarios/host-port.yaml", dataplane=dataplane)

    def of_host_ports(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if "-A" in line and "CNI-" in line)

    saved = cluster.exec("node1", ["iptables-save", "-t", "nat"], check=True).stdout

    assert of_host_ports(saved) == of_host_ports(cluster.rules("node1"))
    assert len(of_host_ports(saved)) == 3 + 3 + 3 * 3 + 2
