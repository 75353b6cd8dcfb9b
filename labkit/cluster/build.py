"""From a validated scenario to the cluster that it describes."""

from __future__ import annotations

from dataclasses import replace

from labkit.cluster.endpoints import SERVICE_LABEL, EndpointSource, build_endpoints
from labkit.cluster.hosts import build_hosts, build_kube_proxy, build_network
from labkit.cluster.mapped import (
    Placed,
    aliases,
    following,
    mapped,
    outside_addresses,
    slices_by_service,
)
from labkit.cluster.model import Cluster, ObjectName, Pod, RealKubeProxy, Service
from labkit.cluster.pods import build_pods
from labkit.cluster.served import with_served_ports
from labkit.cluster.services import build_services
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
    outside = outside_addresses(scenario)
    network = previous.network if previous else build_network(lab, outside)
    nodes, clients = (
        (previous.nodes, previous.clients) if previous else build_hosts(scenario, network, outside)
    )
    old_pods: dict[ObjectName, Pod] = {p.key: p for p in previous.pods} if previous else {}
    old_services: dict[ObjectName, Service] = (
        {s.key: s for s in previous.services} if previous else {}
    )
    pods = build_pods(scenario, nodes, old_pods)
    known = aliases(scenario.displaced, Placed(nodes=nodes, pods=pods))
    manifests = [following(each, known) for each in scenario.services]
    services = build_services(manifests, network, old_services)
    source = EndpointSource(
        manifests={_key(each.metadata): each for each in manifests},
        slices=slices_by_service(scenario.endpoint_slices, known, SERVICE_LABEL),
        pods=pods,
        nodes={node.name: node for node in nodes},
    )
    pods = with_served_ports(source, _dumped(scenario))
    source = replace(source, pods=pods)
    return Cluster(
        name=scenario.lab.metadata.name,
        dataplane=dataplane or lab.dataplane,
        network=network,
        kube_proxy=build_kube_proxy(lab.kube_proxy, network),
        nodes=nodes,
        clients=clients,
        pods=pods,
        services=services,
        endpoints=build_endpoints(services, source),
        without=frozenset(lab.without),
        real_kube_proxy=real_kube_proxy,
        mapped=mapped(scenario.displaced, Placed(nodes=nodes, pods=pods, services=services)),
    )


def _key(meta: kinds.ObjectMeta) -> ObjectName:
    return ObjectName(meta.namespace, meta.name)


def _dumped(scenario: kinds.Scenario) -> frozenset[ObjectName]:
    """The pods of a real cluster: what they run is in their images, not in the files."""
    return frozenset(_key(pod.metadata) for pod in scenario.pods if pod.status.phase)
