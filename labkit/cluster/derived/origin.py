"""From the origin of one cluster to that of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

from labkit.cluster.derived.pods import Pods, changed_pods, next_pods, same_objects
from labkit.cluster.derived.services import Services, next_services, no_services, selecting
from labkit.cluster.derived.slices import Slices, next_slices
from labkit.cluster.endpoints import EndpointSource, endpoints_of
from labkit.cluster.model import Cluster, Endpoint, Network, Node, Pod, Service
from labkit.cluster.object_names import ObjectName, ServicePortName
from labkit.cluster.pod_index import PodIndex
from labkit.cluster.served import asks_for_more, with_served_ports
from labkit.manifest import kinds
from labkit.manifest.difference import Difference, difference

Endpoints = Mapping[ServicePortName, tuple[Endpoint, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The scenario of a cluster, and what was made of it on the way.

    With it the next cluster costs what changed, and not what there is; and what did not change is
    the same object in both, so that data planes render it no more. Nothing of it changes.
    """

    scenario: kinds.Scenario
    nodes: tuple[Node, ...]
    network: Network
    pods: Pods
    services: Services
    slices: Slices
    endpoints: Endpoints

    def by_key(self, services: tuple[Service, ...]) -> Mapping[ObjectName, Service] | None:
        """Those Services by namespace and name; None if they are not the ones of this origin."""
        return self.services.by_key if services is self.services.sorted else None

    @property
    def source(self) -> EndpointSource:
        """What endpoints are made from."""
        return EndpointSource(
            manifests=self.services.manifests,
            slices=self.slices.counting,
            pods=self.pods.served,
            nodes={node.name: node for node in self.nodes},
        )


def next_origin(
    scenario: kinds.Scenario,
    nodes: tuple[Node, ...],
    network: Network,
    previous: Cluster | None = None,
) -> Origin:
    """What becomes of ``scenario``, on the way from the cluster ``previous``.

    Raises:
        UsageError: an address or port range of the Lab is too small for what it must hold.
    """
    before = _origin_of(previous) or _nothing(scenario, nodes, network)
    old_pods = previous.pods if previous else ()
    pods = next_pods(before.pods, scenario, nodes, old_pods)
    services = difference(before.scenario.services, scenario.services)
    slices = difference(before.scenario.endpoint_slices, scenario.endpoint_slices)
    if services is None or slices is None or pods.known != before.pods.known:
        before = _nothing(scenario, nodes, network)
        services = Difference(scenario.services, ())
        slices = Difference(scenario.endpoint_slices, ())
    old_services = before.services.by_key or (previous.service_by_key if previous else {})
    served, renewed = next_services(before.services, services, pods.known, old_services)
    written, rewritten = next_slices(before.slices, slices, pods.known)
    after = replace(before, scenario=scenario, pods=pods, services=served, slices=written)
    after = replace(after, pods=_serving(before, after, renewed | rewritten, old_pods))
    concerned = {*renewed, *rewritten, *_concerned(before, after)}
    old = previous.endpoints if previous else {}
    return replace(after, endpoints=_endpoints(before, after, concerned, old))


def _origin_of(cluster: Cluster | None) -> Origin | None:
    """What a cluster was derived from; None if it was made or changed in another way."""
    origin = cluster.origin if cluster else None
    if cluster is None or not isinstance(origin, Origin):
        return None
    whole = (
        origin.nodes is cluster.nodes
        and origin.network is cluster.network
        and origin.pods.served.pods is cluster.pods
        and origin.services.sorted is cluster.services
        and origin.endpoints is cluster.endpoints
    )
    return origin if whole else None


def _nothing(scenario: kinds.Scenario, nodes: tuple[Node, ...], network: Network) -> Origin:
    """What a cluster without pods and Services comes from."""
    bare, nobody = kinds.Scenario(lab=scenario.lab), PodIndex(())
    return Origin(
        scenario=bare,
        nodes=nodes,
        network=network,
        pods=Pods(scenario=bare, placed=nobody, served=nobody, known={}),
        services=no_services(network),
        slices=Slices(),
        endpoints={},
    )


def _serving(
    before: Origin, after: Origin, keys: Set[ObjectName], previous: tuple[Pod, ...]
) -> Pods:
    """The pods with the ports that those of a real cluster serve without telling.

    Which these are is asked of all Services, unless those of ``keys``, which changed, send to
    ports alone that pods declare.
    """
    pods = after.pods
    if not pods.dumped:
        return replace(pods, served=pods.placed)
    stayed = pods.placed is before.pods.placed and pods.dumped is before.pods.dumped
    if stayed and not any(_asks_for_more(each, pods, keys) for each in (before, after)):
        return replace(pods, served=before.pods.served)
    made = with_served_ports(replace(after.source, pods=pods.placed), pods.dumped)
    old = before.pods.served
    shared = same_objects(made, old.pods or previous)
    return replace(pods, served=old if shared is old.pods else PodIndex(shared))


def _asks_for_more(origin: Origin, pods: Pods, keys: Set[ObjectName]) -> bool:
    manifests, slices = origin.services.manifests, origin.slices.counting
    part = replace(
        origin.source,
        manifests={key: manifests[key] for key in keys if key in manifests},
        slices={key: slices[key] for key in keys if key in slices},
        pods=pods.placed,
    )
    return asks_for_more(part, pods.dumped)


def _concerned(before: Origin, after: Origin) -> Iterator[ObjectName]:
    """The Services of which a pod that changed is or was an endpoint."""
    for pod in changed_pods(before.pods, after.pods):
        yield from after.slices.naming.under(str(pod.address))
        yield from selecting(after.services, pod)


def _endpoints(
    before: Origin, after: Origin, concerned: Set[ObjectName], old: Endpoints
) -> Endpoints:
    """The endpoints after a step: made anew for the Services that it concerns."""
    if not concerned:
        return before.endpoints
    found = dict(before.endpoints)
    source = after.source
    for key in sorted(concerned):
        service = after.services.by_key.get(key)
        made = dict(endpoints_of(service, source)) if service else {}
        was = before.services.by_key.get(key)
        for port in was.ports if was else ():
            if was and (name := was.port_name(port)) not in made:
                del found[name]
        for name, endpoints in made.items():
            found[name] = stayed if (stayed := old.get(name)) == endpoints else endpoints
    return found
