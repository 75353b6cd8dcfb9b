"""What is rendered again after a change, and what is not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster, Endpoint, Service, ServicePort
from labkit.cluster.object_names import ServicePortName
from labkit.cluster.topology import is_proxied
from labkit.dataplane.parts import Parts, changed_parts, difference, render_parts
from tests.unit.dataplane.clusters import HERE, THERE, WEB, cluster
from tests.unit.dataplane.strategies import changed, clusters
from tests.unit.dataplane.test_updates import OTHER, with_endpoints

Part = tuple[Service, ServicePort, tuple[Endpoint, ...]]


class Writer:
    """Makes parts and remembers of which ports."""

    def __init__(self) -> None:
        self.written: list[ServicePortName] = []

    def __call__(
        self, service: Service, port: ServicePort, endpoints: tuple[Endpoint, ...]
    ) -> Part:
        self.written.append(service.port_name(port))
        return service, port, endpoints


def name(service: Service) -> ServicePortName:
    return service.port_name(service.ports[0])


def again(lab: Cluster, previous: Parts[Part]) -> list[ServicePortName]:
    writer = Writer()
    render_parts(lab, None, previous, writer)
    return sorted(writer.written)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_parts_after_changes_are_those_of_a_fresh_start(data: st.DataObject) -> None:
    lab = data.draw(clusters())
    parts = render_parts(lab, lab.kube_proxy, None, Writer())
    for _ in range(data.draw(st.integers(1, 4))):
        lab = data.draw(changed(lab))
        parts = render_parts(lab, lab.kube_proxy, parts, Writer())

    fresh = render_parts(lab, lab.kube_proxy, None, Writer())
    assert parts == fresh
    assert list(parts.ordered()) == list(fresh.ordered())


def test_only_what_has_other_endpoints_is_rendered_again() -> None:
    lab = cluster(OTHER, WEB)
    parts = render_parts(lab, None, None, Writer())

    assert again(with_endpoints(lab, WEB, HERE), parts) == [name(WEB)]


def test_only_a_service_that_is_new_or_another_is_rendered() -> None:
    lab = cluster(OTHER, endpoints=(HERE, THERE))
    parts = render_parts(lab, None, None, Writer())
    more = replace(lab, services=(OTHER, WEB), endpoints={**lab.endpoints, name(WEB): (HERE,)})

    assert again(more, parts) == [name(WEB)]
    assert again(replace(lab, services=(replace(OTHER),)), parts) == [name(OTHER)]


def test_other_options_render_everything_again() -> None:
    lab = cluster(OTHER, WEB)
    writer = Writer()
    render_parts(lab, "others", render_parts(lab, "these", None, Writer()), writer)

    assert sorted(writer.written) == sorted([name(OTHER), name(WEB)])


def test_what_did_not_change_is_the_same_object() -> None:
    lab = cluster(OTHER, WEB)
    parts = render_parts(lab, None, None, Writer())

    assert render_parts(lab, None, parts, Writer()) is parts
    assert render_parts(replace(lab, services=(*lab.services,)), None, parts, Writer()) is parts


@settings(deadline=None, max_examples=25)
@given(clusters())
def test_only_services_that_proxies_serve_have_parts(lab: Cluster) -> None:
    parts = render_parts(lab, None, None, Writer())

    served = [service for service in lab.services if is_proxied(service)]
    assert [service.key for service, _, _ in parts.ordered()] == [
        service.key for service in served for _ in service.ports
    ]


def test_a_difference_is_by_identity_and_says_both_sides() -> None:
    one, same, two, three = (["value"] for _ in range(4))

    assert difference({"a": one, "b": same}, {"a": two, "b": same}) == [(one, two)]
    (gone, new) = difference({"a": one, "b": same}, {"b": same, "c": three})
    assert gone.before is one
    assert gone.after is None
    assert new.before is None
    assert new.after is three


def test_what_was_rendered_knows_what_was_changed_for_it() -> None:
    lab = cluster(OTHER, WEB)
    parts = render_parts(lab, None, None, Writer())
    after = render_parts(with_endpoints(lab, WEB, HERE), None, parts, Writer())
    elsewhere = render_parts(lab, None, None, Writer())

    ((before, now),) = changed_parts(parts, after)
    assert (before, now) == (parts.by_port[name(WEB)], after.by_port[name(WEB)])
    # Of parts that it was not made from it knows nothing: all of those are other objects.
    assert len(changed_parts(elsewhere, after)) == len(after.by_port)
