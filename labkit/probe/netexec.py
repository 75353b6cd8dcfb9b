"""What the responder answers: the paths and commands of Kubernetes' e2e image ``agnhost netexec``.

Source: kubernetes v1.36 test/images/agnhost/netexec/netexec.go, addRoutes and startUDPServer.
Differs from agnhost: ``/`` answers JSON that says who answered, and nothing here runs a command,
ends the server or writes a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from labkit.probe.wire import PROBE_COMMAND, Identity

PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
_STATUS_CODES: Final = range(200, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; its body was read and dropped."""

    target: str
    """Path and query as sent."""
    client: str
    """``ip:port`` of the peer."""
    address: str
    """``ip:port`` that the connection reached."""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    content_type: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


def respond(identity: Identity, request: Request) -> Response:
    """Answer one request. A path that agnhost does not know is answered like ``/``, as there."""
    try:
        parts = urlsplit(request.target)
        # Go's ServeMux sees the path, FormValue the first value of a key.
        values = parse_qs(parts.query, keep_blank_values=True, errors="surrogateescape")
        query = {key: found[0] for key, found in values.items()}
    except ValueError as error:
        return Response(status=400, body=f"bad request target: {error}\n".encode())
    if parts.path in _REFUSED:
        return Response(status=403, body=b"labkit's responder answers questions and does nothing\n")
    return _ROUTES.get(parts.path, _root)(identity, request, query)


def command(identity: Identity, datagram: bytes, *, client: str, address: str) -> bytes | None:
    """Answer one UDP datagram or SCTP message; None for no answer, as to an unknown word.

    Text is trimmed and lowered before it is looked at, so ``echo`` answers in lower case: agnhost
    does so.
    """
    text = datagram.decode(errors="surrogateescape").strip().lower()
    word, _space, rest = text.partition(" ")
    if word.encode(errors="surrogateescape") == PROBE_COMMAND:
        return identity.whoami(client, address, rest)
    if text == "hostname":
        return identity.hostname.encode()
    if text == "clientip":
        return client.encode()
    if text.startswith("echo "):
        return rest.encode(errors="surrogateescape")
    return None


Query = Mapping[str, str]


def _root(identity: Identity, request: Request, query: Query) -> Response:
    body = identity.whoami(request.client, request.address, query.get("filler", ""))
    return Response(body=body, content_type=JSON)


def _client_ip(_identity: Identity, request: Request, _query: Query) -> Response:
    return Response(body=request.client.encode())


def _hostname(identity: Identity, _request: Request, _query: Query) -> Response:
    return Response(body=identity.hostname.encode())


def _healthz(_identity: Identity, _request: Request, _query: Query) -> Response:
    return Response()


def _echo(_identity: Identity, _request: Request, query: Query) -> Response:
    status = _code(query, default=200)
    if isinstance(status, Response):
        return status
    return Response(status=status, body=query.get("msg", "").encode(errors="surrogateescape"))


def _redirect(_identity: Identity, _request: Request, query: Query) -> Response:
    status = _code(query, default=302)
    if isinstance(status, Response):
        return status
    # A location with a line end in it would be a header of the sender's own.
    location = "".join(sign for sign in query.get("location", "") if " " < sign < "\x7f")
    return Response(status=status, headers=(("Location", location),))


def _header(_identity: Identity, request: Request, query: Query) -> Response:
    key = query.get("key", "").lower()
    if key:
        values = (value for name, value in request.headers if name.lower() == key)
        return Response(body=next(values, "").encode("latin-1"))
    found: dict[str, list[str]] = {}
    for name, value in request.headers:
        found.setdefault(name.title(), []).append(value)
    return Response(body=json.dumps(found).encode())


def _code(query: Query, *, default: int) -> int | Response:
    text = query.get("code", "")
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) in _STATUS_CODES:  # noqa: PLR2004 - digits
        return int(text)
    return Response(body=f"argument 'code' must be an integer or empty, got \"{text}\"\n".encode())


def reason(status: int) -> str:
    """Return the words that go with a status code; empty if it has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


_ROUTES: Final[Mapping[str, Callable[[Identity, Request, Query], Response]]] = {
    "/": _root,
    "/clientip": _client_ip,
    "/echo": _echo,
    "/header": _header,
    "/healthz": _healthz,
    "/hostName": _hostname,
    "/hostname": _hostname,
    "/redirect": _redirect,
}
_REFUSED: Final = frozenset({"/dial", "/exit", "/shell", "/shutdown", "/upload"})
