"""Requests to the API server and its answers, byte for byte as a client sees them, no socket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import h11
import pytest

from labkit.cluster.model import Service
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy.conversation import ApiConversation
from labkit.dataplane.kube_proxy.store import INITIAL_EVENTS_END, Store
from tests.unit.dataplane.clusters import CLUSTER_IP, P80, cluster

WEB = Service(key=ObjectName("default", "web"), cluster_ip=CLUSTER_IP, ports=(P80,))
SERVICES = "/api/v1/services"
CHANGED = cluster(replace(WEB, affinity_timeout_s=9))


class Client:
    """An HTTP client whose other end is a conversation in this process."""

    def __init__(self, store: Store) -> None:
        self.server = ApiConversation(store)
        self._http = h11.Connection(h11.CLIENT)

    def ask(self, target: str, *, method: str = "GET", body: bytes = b"") -> tuple[int, list[Any]]:
        """Send a request; return the status and the JSON lines that came at once."""
        headers = [("Host", "x"), ("Content-Length", str(len(body)))]
        sent = self._http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        sent += self._http.send(h11.Data(data=body)) or b""
        sent += self._http.send(h11.EndOfMessage()) or b""
        return self.take(self.server.receive(sent))

    def take(self, data: bytes) -> tuple[int, list[Any]]:
        """Return what an answer or a part of it says."""
        status, text = 0, b""
        if data:
            self._http.receive_data(data)
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                text += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._http.start_next_cycle()
                break
        return status, [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def store() -> Store:
    made = Store()
    made.show(cluster(WEB))
    return made


@pytest.fixture
def client(store: Store) -> Client:
    return Client(store)


def test_one_connection_answers_many_lists(client: Client) -> None:
    for _ in range(2):
        status, (found,) = client.ask(SERVICES)
        assert status == 200
        assert [each["metadata"]["name"] for each in found["items"]] == ["web"]


def test_one_object_is_had_by_its_name(client: Client) -> None:
    status, (found,) = client.ask("/api/v1/nodes/node2")
    assert (status, found["kind"], found["metadata"]["name"]) == (200, "Node", "node2")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nodes/nobody",
        "/api/v1/namespaces/default/services/nothing",
        "/api/v1/pods",
        "/apis/discovery.k8s.io/v2/endpointslices",
        "/api/v1/namespaces/default/nodes",
        "/",
    ],
)
def test_what_is_not_there_is_a_status_of_404(client: Client, path: str) -> None:
    status, (found,) = client.ask(path)
    assert status == 404
    assert (found["kind"], found["code"], found["reason"]) == ("Status", 404, "NotFound")


@pytest.mark.parametrize(
    "asked", ["labelSelector=a%3Db%3Dc", "watch=true&resourceVersion=new", "labelSelector=%2C"]
)
def test_what_cannot_be_read_is_a_status_of_400(client: Client, asked: str) -> None:
    status, (found,) = client.ask(f"{SERVICES}?{asked}")
    assert (status, found["reason"]) == (400, "BadRequest")


def test_it_is_read_only_but_takes_events(client: Client) -> None:
    assert client.ask(SERVICES, method="POST", body=b"{}")[0] == 405
    told = {"reason": "Starting"}
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    assert client.ask(path, method="POST", body=json.dumps(told).encode()) == (201, [told])
    assert client.server.posted == [told]
    assert client.ask(path, method="POST", body=b"{")[0] == 400


def test_a_watch_from_a_list_shows_only_what_changes(client: Client, store: Store) -> None:
    version = client.ask(SERVICES)[1][0]["metadata"]["resourceVersion"]
    assert client.ask(f"{SERVICES}?watch=true&resourceVersion={version}") == (200, [])
    store.show(CHANGED)
    _, (event,) = client.take(client.server.changed())
    assert (event["type"], event["object"]["spec"]["sessionAffinity"]) == ("MODIFIED", "ClientIP")
    assert client.server.changed() == b""


def test_a_streamed_list_ends_with_its_bookmark_and_goes_on(client: Client, store: Store) -> None:
    asked = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    _, found = client.ask(f"{SERVICES}?{asked}&allowWatchBookmarks=true")
    assert [event["type"] for event in found] == ["ADDED", "BOOKMARK"]
    assert found[-1]["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
    store.show(CHANGED)
    assert [event["type"] for event in client.take(client.server.changed())[1]] == ["MODIFIED"]


def test_a_watch_from_too_old_a_version_is_told_410_and_ends() -> None:
    store = Store(kept_changes=1)
    store.show(cluster(WEB))
    client = Client(store)
    status, (event,) = client.ask(f"{SERVICES}?watch=true&resourceVersion=1")
    assert (status, event["type"], event["object"]["code"]) == (200, "ERROR", 410)
    assert client.ask(SERVICES)[0] == 200


def test_after_a_watch_the_connection_takes_requests_again(client: Client) -> None:
    client.ask(f"{SERVICES}?watch=true")
    client.take(client.server.end_watch())
    assert client.ask(SERVICES)[0] == 200


def test_kubectl_learns_what_there_is(client: Client) -> None:
    _, (groups,) = client.ask("/apis")
    names = {group["name"] for group in groups["groups"]}
    assert names == {"discovery.k8s.io", "networking.k8s.io"}
    _, (core,) = client.ask("/api/v1")
    assert [each["name"] for each in core["resources"]] == ["services", "nodes", "endpoints"]


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b""])
def test_who_speaks_no_http_or_leaves_is_let_go(store: Store, sent: bytes) -> None:
    server = ApiConversation(store)
    assert server.receive(sent) == b""
    assert server.is_over
