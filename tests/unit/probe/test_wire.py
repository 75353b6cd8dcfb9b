from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest

from labkit.probe.wire import (
    MAX_ANSWER_BYTES,
    NO_READING,
    Identity,
    Reading,
    filler,
    probe_command,
    probe_request,
    read_command_answer,
    read_http_answer,
)

WEB = Identity("shop/web-1", "node1", "web-1")
ANSWER = WEB.http_answer("192.168.0.7:40000", "10.0.1.2:80")
READ = Reading("shop/web-1", IPv4Address("192.168.0.7"), 200)


def test_a_responders_answer_says_who_answered_and_whom_it_saw() -> None:
    assert json.loads(WEB.whoami("192.168.0.7:40000", "10.0.1.2:80")) == {
        "pod": "shop/web-1",
        "node": "node1",
        "client": "192.168.0.7:40000",
        "address": "10.0.1.2:80",
    }
    assert read_http_answer(ANSWER, complete=False) == READ
    assert read_command_answer(WEB.whoami("192.168.0.7:40000", "10.0.1.2:80")) == READ._replace(
        http_status=None
    )


def test_a_large_request_carries_as_much_as_it_says() -> None:
    assert (filler(1), filler(12)) == ("0", "012345678901")
    assert len(probe_request(8192)) - len(probe_request(0)) == 8192 + len("?filler=")
    assert probe_request(3).startswith(b"GET /?filler=012 HTTP/1.1\r\n")
    assert probe_command(3) == b"labkit 012"
    assert probe_command(0) == b"labkit"


def test_an_answer_that_lost_a_part_of_the_request_says_nobodys_name() -> None:
    def answer(carried: str) -> bytes:
        return WEB.whoami("192.168.0.7:40000", "10.0.1.2:80", carried)

    swapped = "1" + "0" + filler(8192)[2:]

    assert read_command_answer(answer(filler(8192)), filler(8192)).pod == "shop/web-1"
    assert read_command_answer(answer(filler(8191)), filler(8192)) == NO_READING
    assert read_command_answer(answer(swapped), filler(8192)) == NO_READING
    assert read_command_answer(answer(""), filler(8192)) == NO_READING


def test_a_large_answer_is_read_when_it_is_whole() -> None:
    body = WEB.whoami("192.168.0.7:40000", "10.0.1.2:80", filler(60_000))
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    assert read_http_answer(whole[:-1], complete=False, filler=filler(60_000)) is None
    assert read_http_answer(whole, complete=False, filler=filler(60_000)) == READ


def test_names_that_need_quoting_stay_json() -> None:
    odd = Identity('a"b', "node\\1", "a")

    assert json.loads(odd.whoami("1.2.3.4:5", "5.6.7.8:9"))["pod"] == 'a"b'
    assert json.loads(odd.whoami("1.2.3.4:5", "5.6.7.8:9"))["node"] == "node\\1"


def test_an_answer_in_pieces_is_read_when_it_is_whole() -> None:
    early = [read_http_answer(ANSWER[:end], complete=False) for end in range(1, len(ANSWER))]

    assert early == [None] * len(early)
    assert read_http_answer(ANSWER, complete=False) == READ


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", NO_READING),
        (b"H", None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", None),
        (b"HTTP/1.0 404 Not Found\r\nServer: nginx\r\n\r\n", Reading(http_status=404)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Reading(http_status=200)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n<!doc", Reading(http_status=200)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Reading(http_status=200)),
        (b'HTTP/1.1 503 No\r\nContent-Length: 11\r\n\r\n{"pod":"x"}', Reading(http_status=503)),
        (b"HTTP/1.1 junk\r\n\r\n", NO_READING),
        (b"HTTP/1." + b"x" * MAX_ANSWER_BYTES, NO_READING),
    ],
)
def test_other_programs_answers_are_answers_of_nobody(data: bytes, want: Reading | None) -> None:
    assert read_http_answer(data, complete=False) == want


def test_what_ends_early_is_read_as_far_as_it_goes() -> None:
    head, _, _ = ANSWER.partition(b"{")

    assert read_http_answer(b"HT", complete=True) == NO_READING
    assert read_http_answer(b"HTTP/1.1 200 OK\r\nServ", complete=True) == Reading(http_status=200)
    assert read_http_answer(head, complete=True) == Reading(http_status=200)


@pytest.mark.parametrize(
    "client", ["10.0.0.1", "nobody:1", ":5", "10.0.0.256:1", "fe80::1:5"], ids=str
)
def test_a_client_that_is_no_address_makes_it_somebody_elses_json(client: str) -> None:
    body = json.dumps({"pod": "p", "node": "n", "client": client, "address": "1.2.3.4:5"})

    assert read_command_answer(body.encode()) == NO_READING
