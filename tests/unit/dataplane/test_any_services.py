"""What any packet meets in the rules of any Services."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster, Endpoint, Service
from labkit.cluster.topology import categorize
from labkit.dataplane.iptables.render import render
from tests.unit.dataplane.clusters import NODE1, SENDERS, send
from tests.unit.dataplane.strategies import clusters, endpoint_lists, services

OF_ONE_PORT = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-")
BRIEF = settings(deadline=None, max_examples=50)
"""A busy machine is no reason to fail."""


@BRIEF
@given(clusters())
def test_no_chain_of_a_service_is_empty(lab: Cluster) -> None:
    for table in render(lab, NODE1).tables:
        assert all(table.chains[chain] for chain in table.chains if chain.startswith(OF_ONE_PORT))


@BRIEF
@given(clusters(), st.sampled_from(sorted(SENDERS)))
def test_a_packet_ends_at_a_usable_endpoint_or_is_refused(lab: Cluster, sender: str) -> None:
    for service, port in lab.service_ports():
        if service.cluster_ip is None:
            continue
        usable = {
            str(each)
            for each in lab.endpoints[service.port_name(port)]
            if each.ready or (each.serving and each.terminating)
        }
        sent = send(lab, sender, service.cluster_ip, port.port, protocol=port.protocol)
        assert sent.to <= usable
        assert sent.refused == (not usable)
        assert sum(way.probability for way in sent.ways) == pytest.approx(1)


@BRIEF
@given(services(0), endpoint_lists)
def test_endpoints_of_every_category_are_reachable_ones(
    service: Service, known: tuple[Endpoint, ...]
) -> None:
    found = categorize(service, service.ports[0], known, NODE1)

    assert {*found.cluster, *found.local} == set(found.reachable)
    assert all(endpoint.node == "node1" for endpoint in found.local)
    assert found.has_any or not found.reachable
