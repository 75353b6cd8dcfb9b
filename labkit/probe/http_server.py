"""HTTP/1.1 of the responder by h11: keep-alive, pipelining, bodies of any size, and bad requests.

Imported only when somebody asks what a probe does not ask.
Source: https://h11.readthedocs.io, "Details of HTTP protocol support".
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Final

import h11

from labkit.probe.netexec import Request, Response, reason
from labkit.probe.tcp_server import Site

MAX_HEAD_BYTES: Final = 65536
"""A request line and headers longer than this are answered 431."""
PIPELINED_A_TURN: Final = 16
"""Requests of one client answered before others get their turn."""


class HttpConversation:
    """The requests of one connection: bytes in, bytes out, no socket."""

    def __init__(self, site: Site, *, client: str, address: str) -> None:
        self._site = site
        self._client = client
        self._address = address
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._request: h11.Request | None = None
        self.is_over = False
        """Whether the connection must be closed once the answer is sent."""
        self.has_more = False
        """Whether requests that came already still wait for their answer."""

    def answer(self, data: bytes) -> bytes:
        """Take what came, if anything, and return what is to be sent."""
        if data:
            self._http.receive_data(data)
        output = b""
        try:
            for _ in range(PIPELINED_A_TURN):
                piece = self._next_answer()
                if piece is None:
                    self.has_more = False
                    return output
                output += piece
        except h11.RemoteProtocolError as error:
            self.has_more, self.is_over = False, True
            return output + self._complaint(error)
        self.has_more = True
        return output

    def _next_answer(self) -> bytes | None:
        """Return the next thing to send; None if more must come first, or nothing follows."""
        while not self.is_over:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._request = event
                if self._http.they_are_waiting_for_100_continue:
                    return self._bytes(h11.InformationalResponse(status_code=100, headers=[]))
            elif isinstance(event, h11.EndOfMessage):
                return self._respond()
            elif not isinstance(event, h11.Data):
                return None
        return None

    def _respond(self) -> bytes:
        asked, self._request = self._request, None
        if asked is None:
            raise h11.RemoteProtocolError("a message ended that had not begun")
        response = self._site.respond(
            Request(
                target=asked.target.decode("latin-1"),
                client=self._client,
                address=self._address,
                headers=tuple(
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in asked.headers
                ),
            )
        )
        output = self._write(response, with_body=asked.method != b"HEAD")
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is h11.MUST_CLOSE:
            self.is_over = True
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return output

    def _complaint(self, error: h11.RemoteProtocolError) -> bytes:
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return b""
        text = f"{error}\n".encode(errors="replace")
        return self._write(Response(status=error.error_status_hint, body=text), with_body=True)

    def _write(self, response: Response, *, with_body: bool) -> bytes:
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        head = h11.Response(
            status_code=response.status, headers=headers, reason=reason(response.status)
        )
        has_body = with_body and response.status not in {204, 304}
        output = self._bytes(head)
        if has_body:
            output += self._bytes(h11.Data(data=response.body))
        return output + self._bytes(h11.EndOfMessage())

    def _bytes(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""
