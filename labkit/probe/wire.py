"""The bytes of a probe: what it asks, what a responder answers, and how an answer is read.

A probe of TCP is one fixed HTTP request, of UDP and SCTP one word; a responder knows them byte for
byte. The answer is JSON with the pod, its node, the client address that it saw and the address that
it was reached at. Everything else that comes back is some other program's answer. A large request
carries a filler, which the answer must carry back: so all of it has gone there and back again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, NamedTuple

import msgspec

PROBE_REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: labkit\r\nUser-Agent: labkit\r\nConnection: close\r\n\r\n"
)
"""What a probe sends over TCP. Any HTTP server understands it."""
PROBE_COMMAND: Final = b"labkit"
"""What a probe sends over UDP and SCTP."""
MAX_ANSWER_BYTES: Final = 64 * 1024
"""A probe reads no more than this of an answer that does not end."""

_FILLER: Final = "0123456789"
_HTTP: Final = b"HTTP/1."
_CONTENT_LENGTH: Final = re.compile(
    rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?:\r\n|$)", re.IGNORECASE
)
_OWN_BODY_BYTES: Final = 4096
"""A longer body is no responder's, so there is no need to wait for its end."""


class WhoAnswered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of a responder's answer; ``client`` and ``address`` are ``ip:port``."""

    pod: str
    node: str
    client: str
    address: str
    filler: str = ""
    """What the request carried."""


_DECODER: Final = msgspec.json.Decoder(WhoAnswered)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a responder is: the names that it answers with."""

    pod: str
    """As reports print it."""
    node: str
    hostname: str
    """What ``hostname`` prints in the pod: its own name, or the node's on the host network."""
    _prefix: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Encode once what every answer starts with."""
        empty = msgspec.json.encode(WhoAnswered(self.pod, self.node, "", ""))
        object.__setattr__(self, "_prefix", empty.removesuffix(b'"","address":""}') + b'"')

    def whoami(self, client: str, address: str, filler: str = "") -> bytes:
        """Return the JSON answer for a client and the address it asked, both ``ip:port``."""
        carried = f',"filler":{json.dumps(filler)}' if filler else ""
        said = (self._prefix, client.encode(), address.encode(), carried.encode())
        return b'%s%s","address":"%s"%s}' % said

    def http_answer(self, client: str, address: str) -> bytes:
        """Return the whole HTTP answer to `PROBE_REQUEST`."""
        return http_answer(b"200 OK", b"", self.whoami(client, address))


def http_answer(status: bytes, headers: bytes, body: bytes) -> bytes:
    """Return an HTTP answer with a JSON body, after which the connection closes.

    ``headers`` are more header lines, each with its line end.
    """
    return (
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%s" % (status, headers, len(body), body)
    )


def filler(size: int) -> str:
    """Return what a request of so many bytes carries: digits, so that pieces have their order."""
    return (_FILLER * (size // len(_FILLER) + 1))[:size]


def probe_request(size: int) -> bytes:
    """Return what a probe sends over TCP."""
    if not size:
        return PROBE_REQUEST
    return PROBE_REQUEST.replace(b"/", f"/?filler={filler(size)}".encode(), 1)


def probe_command(size: int) -> bytes:
    """Return what a probe sends over UDP and SCTP."""
    return b"%s %s" % (PROBE_COMMAND, filler(size).encode()) if size else PROBE_COMMAND


class Reading(NamedTuple):
    """What an answer says; all None when it is another program's and no HTTP."""

    pod: str | None = None
    source_seen: IPv4Address | None = None
    http_status: int | None = None


NO_READING: Final = Reading()


def read_command_answer(data: bytes, filler: str = "") -> Reading:
    """Read the answer to `PROBE_COMMAND`, which must carry ``filler``."""
    return _read_json(data, None, filler)


def read_http_answer(data: bytes, *, complete: bool, filler: str = "") -> Reading | None:
    """Read the answer to `PROBE_REQUEST`, which must carry ``filler``; None if more is needed.

    ``complete`` says that no more will come: the peer closed, or the time is over.
    """
    complete = complete or len(data) >= MAX_ANSWER_BYTES
    if not data.startswith(_HTTP):
        return None if _HTTP.startswith(data) and not complete else NO_READING
    head, end, body = data.partition(b"\r\n\r\n")
    if not (end or complete):
        return None
    code = head[9:12]
    status = int(code) if len(code) == 3 and code.isdigit() else None  # noqa: PLR2004 - three digits
    length = _CONTENT_LENGTH.search(head)
    if length is None:
        return Reading(http_status=status)
    if len(body) < int(length[1]) <= _OWN_BODY_BYTES + len(filler) and not complete:
        return None
    return _read_json(body, status, filler)


def _read_json(body: bytes, status: int | None, filler: str) -> Reading:
    try:
        who = _DECODER.decode(body)
        if who.filler != filler:
            return Reading(http_status=status)
        return Reading(who.pod, IPv4Address(who.client.rpartition(":")[0]), status)
    except (msgspec.DecodeError, ValueError):
        return Reading(http_status=status)
