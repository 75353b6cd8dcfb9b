"""From a validated scenario to the cluster that it describes."""

from __future__ import annotations

from labkit.cluster.derived.origin import next_origin
from labkit.cluster.hosts import build_hosts, build_kube_proxy, build_network
from labkit.cluster.mapped import Placed, mapped, outside_addresses
from labkit.cluster.model import Cluster, RealKubeProxy
from labkit.manifest import kinds


def build_cluster(
    scenario: kinds.Scenario,
    *,
    previous: Cluster | None = None,
    dataplane: str | None = None,
    real_kube_proxy: RealKubeProxy | None = None,
) -> Cluster:
    """Return the desired state that ``scenario`` describes.

    Args:
        scenario: a validated scenario.
        previous: the state of a running lab; what it has allocated stays as it is.
        dataplane: overrides the Lab's.
        real_kube_proxy: what serves it under the data plane ``kube-proxy``.

    Raises:
        UsageError: an address or port range of the Lab is too small for what it must hold.
    """
    lab = scenario.lab.spec
    if previous:
        network, nodes, clients = previous.network, previous.nodes, previous.clients
    else:
        outside = outside_addresses(scenario)
        network = build_network(lab, outside)
        nodes, clients = build_hosts(scenario, network, outside)
    origin = next_origin(scenario, nodes, network, previous)
    pods, services = origin.pods.served.pods, origin.services.sorted
    return Cluster(
        name=scenario.lab.metadata.name,
        dataplane=dataplane or lab.dataplane,
        network=network,
        kube_proxy=build_kube_proxy(lab.kube_proxy, network),
        nodes=nodes,
        clients=clients,
        pods=pods,
        services=services,
        endpoints=origin.endpoints,
        without=frozenset(lab.without),
        real_kube_proxy=real_kube_proxy,
        mapped=mapped(scenario.displaced, Placed(nodes=nodes, pods=pods, services=services)),
        origin=origin,
    )
