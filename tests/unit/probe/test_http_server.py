from __future__ import annotations

import h11
import pytest

from labkit.cluster.object_names import ObjectName
from labkit.probe.http_server import MAX_HEAD_BYTES, PIPELINED_A_TURN, HttpConversation
from labkit.probe.sites import HealthSite, PodSite
from labkit.probe.wire import PROBE_REQUEST, Identity

WEB = PodSite(Identity("web-1", "node1", "web-1"))


def conversation() -> HttpConversation:
    return HttpConversation(WEB, client="192.168.0.7:40000", address="10.0.1.2:80")


def responses(data: bytes, *methods: str) -> list[tuple[int, bytes]]:
    """Read what a server sent with h11's client side."""
    client = h11.Connection(h11.CLIENT)
    client.receive_data(data)
    found: list[tuple[int, bytes]] = []
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        status, body = 0, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
        found.append((status, body))
        if client.their_state is h11.DONE and client.our_state is h11.DONE:
            client.start_next_cycle()
    return found


def test_a_connection_is_kept_for_the_next_request() -> None:
    http = conversation()

    first = http.answer(b"GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n")
    second = http.answer(b"GET /clientip HTTP/1.1\r\nHost: x\r\n\r\n")

    assert responses(first + second, "GET", "GET") == [(200, b"web-1"), (200, b"192.168.0.7:40000")]
    assert not http.is_over


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /hostname HTTP/1.0\r\n\r\n",
    ],
)
def test_a_client_that_wants_it_closed_gets_it_closed(request_bytes: bytes) -> None:
    http = conversation()

    assert responses(http.answer(request_bytes), "GET") == [(200, b"web-1")]
    assert http.is_over


def test_a_request_byte_by_byte_is_answered_at_its_last_byte() -> None:
    http = conversation()

    outputs = [http.answer(PROBE_REQUEST[i : i + 1]) for i in range(len(PROBE_REQUEST))]

    assert outputs[:-1] == [b""] * (len(PROBE_REQUEST) - 1)
    ((status, body),) = responses(outputs[-1], "GET")
    assert (status, b'"pod":"web-1"' in body) == (200, True)


def test_pipelined_requests_are_answered_some_at_a_time_and_all_in_order() -> None:
    http = conversation()
    count = 3 * PIPELINED_A_TURN + 1
    sent = b"".join(
        b"GET /echo?msg=%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(count)
    )

    turns = [http.answer(sent)]
    while http.has_more:
        turns.append(http.answer(b""))

    assert [turn.count(b"HTTP/1.1 200") for turn in turns] == [PIPELINED_A_TURN] * 3 + [1]
    assert responses(b"".join(turns), *["GET"] * count) == [
        (200, b"%d" % number) for number in range(count)
    ]


def test_megabytes_of_body_are_dropped_and_the_request_answered() -> None:
    http = conversation()
    head = b"POST /hostname HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"

    output = http.answer(head)
    for _ in range(500):
        output += http.answer(b"x" * 10_000)

    assert responses(output, "POST") == [(200, b"web-1")]
    assert not http.is_over


def test_a_client_that_waits_for_100_continue_gets_it_before_its_body() -> None:
    http = conversation()

    first = http.answer(
        b"POST /hostname HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    second = http.answer(b"ok")

    assert first.startswith(b"HTTP/1.1 100 ")
    assert responses(second, "POST") == [(200, b"web-1")]


def test_head_has_headers_only() -> None:
    output = conversation().answer(b"HEAD /hostname HTTP/1.1\r\nHost: x\r\n\r\n")

    assert output.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in output


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /" + b"x" * (MAX_HEAD_BYTES + 1), 431),
    ],
    ids=["TLS", "no Host", "NUL", "negative length", "gzip", "endless line"],
)
def test_garbage_is_answered_once_and_ends_the_connection(garbage: bytes, status: int) -> None:
    http = conversation()

    output = http.answer(garbage)

    assert output.startswith(b"HTTP/1.1 %d " % status)
    assert (http.is_over, http.has_more) == (True, False)


def test_garbage_after_a_good_request_leaves_the_good_answer() -> None:
    http = conversation()

    output = http.answer(b"GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01\x02\r\n\r\n")

    assert responses(output, "GET", "GET")[0] == (200, b"web-1")
    assert http.is_over


@pytest.mark.parametrize(("endpoints", "status"), [(2, 200), (0, 503)])
def test_a_health_check_answers_with_kube_proxys_headers_and_body(
    endpoints: int, status: int
) -> None:
    site = HealthSite(ObjectName("shop", "web"), endpoints)
    body = (
        "{\n"
        '\t"service": {\n'
        '\t\t"namespace": "shop",\n'
        '\t\t"name": "web"\n'
        "\t},\n"
        f'\t"localEndpoints": {endpoints},\n'
        '\t"serviceProxyHealthy": true\n'
        "}"
    ).encode()

    slow = HttpConversation(site, client="c", address="a").answer(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    fast = site.probe_answer("c", "a")

    assert responses(slow, "GET") == responses(fast, "GET") == [(status, body)]
    for output in (slow, fast):
        lines = output.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert b"Content-Type: application/json" in lines
        assert b"X-Content-Type-Options: nosniff" in lines
        assert b"X-Load-Balancing-Endpoint-Weight: %d" % endpoints in lines
