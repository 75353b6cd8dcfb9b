from __future__ import annotations

import json

import pytest

from labkit.probe.netexec import Request, command, respond
from labkit.probe.wire import Identity

WEB = Identity("shop/web-1", "node1", "web-1")


def ask(target: str, **headers: str) -> tuple[int, bytes]:
    response = respond(
        WEB,
        Request(
            target=target,
            client="192.168.0.7:40000",
            address="10.0.1.2:80",
            headers=tuple(headers.items()),
        ),
    )
    return response.status, response.body


@pytest.mark.parametrize(
    ("target", "want"),
    [
        ("/clientip", (200, b"192.168.0.7:40000")),
        ("/hostname", (200, b"web-1")),
        ("/hostName", (200, b"web-1")),
        ("/healthz", (200, b"")),
        ("/echo?msg=Hello%20World", (200, b"Hello World")),
        ("/echo", (200, b"")),
        ("/echo?msg=gone&code=410", (410, b"gone")),
        ("/echo?msg=first&msg=second", (200, b"first")),
        ("/echo?msg=%ff%00", (200, b"\xff\x00")),
        ("/redirect?location=/x&code=307", (307, b"")),
        ("/header?key=X-Probe", (200, b"yes")),
        ("/header?key=absent", (200, b"")),
    ],
)
def test_paths_answer_as_agnhost_netexec_does(target: str, want: tuple[int, bytes]) -> None:
    assert ask(target, **{"x-probe": "yes"}) == want


@pytest.mark.parametrize("code", ["abc", "99", "101", "600", "-1", "٣٠٠", "9" * 99])
def test_a_status_code_that_is_none_is_said_in_words(code: str) -> None:
    status, body = ask(f"/echo?code={code}")

    assert status == 200
    assert body.startswith(b"argument 'code' must be an integer")


@pytest.mark.parametrize("path", ["/", "/no/such/path", "/hostname/", "//[bad", "/?a=1"])
def test_every_other_path_says_who_answered(path: str) -> None:
    status, body = ask(path)

    assert status == 400 if path == "//[bad" else json.loads(body)["pod"] == "shop/web-1"


@pytest.mark.parametrize(
    "target", ["/shell?cmd=id", "/shell?shellCommand=id", "/exit", "/shutdown", "/upload", "/dial"]
)
def test_nothing_is_run_and_nothing_ends(target: str) -> None:
    assert ask(target)[0] == 403


def test_a_redirect_cannot_smuggle_a_header() -> None:
    request = Request(target="/redirect?location=/x%0d%0aSet-Cookie:y", client="", address="")

    assert respond(WEB, request).headers == (("Location", "/xSet-Cookie:y"),)


@pytest.mark.parametrize(
    ("datagram", "want"),
    [
        (b"hostname", b"web-1"),
        (b"HostName\n", b"web-1"),
        (b"clientip", b"192.168.0.7:40000"),
        (b"echo Hello there", b"hello there"),  # agnhost lowers everything that it gets
        (b"echo " + b"x" * 8192, b"x" * 8192),
        (b"echo \xff\x00", b"\xff\x00"),
        (b"echo", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"shell id", None),
    ],
)
def test_datagrams_answer_as_agnhost_netexec_does(datagram: bytes, want: bytes | None) -> None:
    assert command(WEB, datagram, client="192.168.0.7:40000", address="10.0.1.2:80") == want


def test_labkits_own_datagram_says_who_answered() -> None:
    answer = command(WEB, b"labkit\n", client="192.168.0.7:40000", address="10.0.1.2:80")

    assert answer == WEB.whoami("192.168.0.7:40000", "10.0.1.2:80")
