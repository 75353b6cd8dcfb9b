"""The Service of labkit's own: told last, and never twice by the same names."""

from __future__ import annotations

from labkit.cluster.model import Protocol
from labkit.dataplane.kube_proxy.marker import ADDRESS, KEY, PORTS, Marker
from labkit.dataplane.kube_proxy.objects import endpoint_slices
from labkit.dataplane.kube_proxy.readback import shows_marker, without_stale
from labkit.dataplane.names import service_chain
from tests.unit.dataplane.clusters import WEB, cluster

LAB = cluster(WEB)


def test_it_is_behind_everything_else_and_has_an_endpoint() -> None:
    marked = Marker().in_cluster(LAB)

    assert marked.services[:-1] == LAB.services
    marker = marked.services[-1]
    assert (marker.key, marker.cluster_ip) == (KEY, ADDRESS)
    (slice_,) = endpoint_slices(marked, marker)
    assert [port["name"] for port in slice_["ports"]] == [marker.ports[0].name]
    assert marked.endpoints.items() > LAB.endpoints.items()


def test_neighbours_share_neither_chain_nor_virtual_server() -> None:
    markers = [Marker(PORTS - 2)]
    for _ in range(4):
        markers.append(markers[-1].next())

    chains = {service_chain(each.name, Protocol.TCP) for each in markers}
    assert len(chains) == len({each.port for each in markers}) == len(markers)
    assert all(1 <= each.port <= PORTS for each in markers)


def test_chains_that_are_empty_already_are_left_out() -> None:
    kept = "\tchain service-ABCDEFGH-default/web/tcp/http {\n\t}\n\n"
    full = "\tchain service-QRSTUVWX-labkit.dev/in-sync/tcp/n3 {\n\t\tgoto x\n\t}\n"
    stale = "\tchain service-IJKLMNOP-labkit.dev/in-sync/tcp/n2 {\n\t}\n\n"

    assert without_stale(f"table ip kube-proxy {{\n{kept}{stale}{full}}}\n") == (
        f"table ip kube-proxy {{\n{kept}{full}}}\n"
    )


def test_it_is_recognised_in_rules() -> None:
    assert shows_marker('-m comment --comment "labkit.dev/in-sync:n4" -j KUBE-SVC-X')
    assert shows_marker("-A -t 192.0.2.255:4 -s rr")
    assert not shows_marker('-m comment --comment "default/web" -d 10.96.0.10/32')
