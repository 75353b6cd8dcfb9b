from __future__ import annotations

import pytest

from labkit.cluster.model import Protocol
from labkit.cluster.object_names import ServicePortName
from labkit.dataplane import names

SVC1 = ServicePortName("ns1", "svc1", "p80")
SVC2 = ServicePortName("ns2", "svc2", "p80")


@pytest.mark.parametrize(
    ("got", "want"),
    [
        pytest.param(
            names.service_chain(SVC1, Protocol.TCP), "KUBE-SVC-XPGD46QRK7WJZT7O", id="service"
        ),
        pytest.param(
            names.external_chain(SVC2, Protocol.TCP), "KUBE-EXT-GNZBNJ2PO5MGZ6GT", id="external"
        ),
        pytest.param(
            names.local_chain(SVC2, Protocol.TCP), "KUBE-SVL-GNZBNJ2PO5MGZ6GT", id="local"
        ),
        pytest.param(
            names.firewall_chain(SVC2, Protocol.TCP), "KUBE-FW-GNZBNJ2PO5MGZ6GT", id="firewall"
        ),
        pytest.param(
            names.endpoint_chain(SVC1, Protocol.TCP, "10.180.0.1:80"),
            "KUBE-SEP-SXIVWICOYRO3J4NJ",
            id="endpoint",
        ),
        pytest.param(
            names.service_chain(ServicePortName("default", "udp", "http"), Protocol.UDP),
            "KUBE-SVC-VMPVZ6K4Z2VM45XP",
            id="udp, as recorded",
        ),
    ],
)
def test_chain_names_match_kube_proxy(got: str, want: str) -> None:
    assert got == want
    assert len(got) <= 28


def test_a_port_without_a_name_has_no_colon() -> None:
    unnamed = names.port_proto_hash(ServicePortName("default", "nginx", ""), Protocol.TCP)

    # From public listings of real nodes: KUBE-EXT-2CMXP7HKUVJN7L6M is default/nginx.
    assert unnamed == "2CMXP7HKUVJN7L6M"
