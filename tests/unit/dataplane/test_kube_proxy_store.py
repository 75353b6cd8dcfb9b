"""What lists and watches of the API server show, without a socket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import Service
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.selectors import parse_selector
from labkit.dataplane.kube_proxy.store import (
    INITIAL_EVENTS_END,
    NODES,
    RESOURCES,
    SERVICES,
    SLICES,
    Gone,
    Query,
    Resource,
    Store,
)
from tests.unit.dataplane.clusters import CLUSTER_IP, HERE, P80, THERE, cluster

WEB = Service(key=ObjectName("default", "web"), cluster_ip=CLUSTER_IP, ports=(P80,))
OTHER = replace(WEB, key=ObjectName("shop", "other"))
NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HIDDEN = replace(WEB, labels={NAME_LABEL: "mine"})


def query(
    resource: Resource = SERVICES, *, labels: str = "", fields: str = "", namespace: str = ""
) -> Query:
    return Query(
        resource=resource,
        labels=parse_selector(labels),
        fields=parse_selector(fields),
        namespace=namespace,
    )


def names(found: Json) -> list[str]:
    return [each["metadata"]["name"] for each in found["items"]]


def seen(store: Store, asked: Query, after: int) -> list[tuple[str, str]]:
    return [
        (event["type"], event["object"]["metadata"]["name"])
        for event in store.events(asked, after=after)
    ]


@pytest.fixture
def store() -> Store:
    made = Store()
    made.show(cluster(WEB, OTHER))
    return made


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", "abc"),
        ("app", "ab"),
        ("!app", "c"),
        ("app=web", "a"),
        ("app==web", "a"),
        ("app!=web", "bc"),
        ("app in (web, db)", "ab"),
        ("app notin (web)", "bc"),
        ("!app,zone=z", ""),
        ("app,tier=", "a"),
    ],
)
def test_a_selector_selects_by_every_requirement(text: str, selected: str) -> None:
    labels = {"a": {"app": "web", "tier": ""}, "b": {"app": "db"}, "c": {}}
    chosen = parse_selector(text)
    assert "".join(name for name, each in labels.items() if chosen(each)) == selected


@pytest.mark.parametrize("text", ["=", "app in web", "a=b=c", "(", ",", "a,,b"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unable to parse"):
        parse_selector(text)


def test_a_list_is_in_order_and_has_the_newest_version(store: Store) -> None:
    found = store.listing(query())
    assert found["kind"] == "ServiceList"
    assert names(found) == ["web", "other"]
    assert found["metadata"]["resourceVersion"] == str(store.version)


def test_a_list_can_be_of_one_namespace_name_or_label(store: Store) -> None:
    assert names(store.listing(query(namespace="shop"))) == ["other"]
    assert names(store.listing(query(NODES, fields="metadata.name=node2"))) == ["node2"]
    labels = "kubernetes.io/service-name=web"
    assert names(store.listing(query(SLICES, labels=labels))) == ["web-1"]


def test_the_same_cluster_changes_no_version(store: Store) -> None:
    before = store.version
    store.show(cluster(WEB, OTHER))
    assert store.version == before


def test_a_watch_shows_what_changes_after_its_version(store: Store) -> None:
    start = store.version
    assert seen(store, query(), start) == []
    store.show(cluster(replace(WEB, affinity_timeout_s=9)))
    assert sorted(seen(store, query(), start)) == [("DELETED", "other"), ("MODIFIED", "web")]
    assert seen(store, query(), store.version) == []


def test_every_event_has_a_greater_version_than_the_last(store: Store) -> None:
    start = store.version
    store.show(cluster(OTHER, endpoints=(HERE,)))
    store.show(cluster(WEB, endpoints=(THERE,)))
    found = store.events(query(), after=start)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert len(versions) > 1
    assert versions == sorted(set(versions))
    assert versions[0] > start


def test_what_leaves_the_selector_is_deleted_and_what_enters_is_added(store: Store) -> None:
    asked, start = query(labels=f"!{NAME_LABEL}"), store.version
    store.show(cluster(HIDDEN, OTHER))
    assert seen(store, asked, start) == [("DELETED", "web")]
    hidden = store.version
    store.show(cluster(WEB, OTHER))
    assert seen(store, asked, hidden) == [("ADDED", "web")]


def test_initial_events_end_with_the_bookmark(store: Store) -> None:
    *added, last = store.initial_events(query(), bookmark=True)
    assert [event["type"] for event in added] == ["ADDED", "ADDED"]
    assert last["type"] == "BOOKMARK"
    assert last["object"]["kind"] == "Service"
    assert last["object"]["metadata"] == {
        "resourceVersion": str(store.version),
        "annotations": {INITIAL_EVENTS_END: "true"},
    }


def test_changes_that_are_forgotten_are_gone() -> None:
    store = Store(kept_changes=2)
    store.show(cluster(WEB))
    start = store.version
    for seconds in (1, 2):
        store.show(cluster(replace(WEB, affinity_timeout_s=seconds)))
    assert len(store.events(query(), after=start)) == 2
    store.show(cluster(replace(WEB, affinity_timeout_s=3)))
    with pytest.raises(Gone, match=f"too old resource version: {start}"):
        store.events(query(), after=start)
    assert len(store.events(query(), after=start + 1)) == 2


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each.version}-{each.plural}")
def test_a_cluster_has_objects_of_every_resource(store: Store, resource: Resource) -> None:
    items = store.listing(query(resource))["items"]
    assert items
    assert {each["kind"] for each in items} == {resource.kind}
    assert {each["apiVersion"] for each in items} == {resource.version}
