"""One client's connection to the API server: bytes in, bytes out, no socket.

Source: https://h11.readthedocs.io; a watch is one chunked answer with a JSON object a line.
"""

from __future__ import annotations

import json
from typing import Final

import h11

from labkit.dataplane.kube_proxy.answers import CREATED, OK, Answer, Watch, answer, status
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.store import Gone, Store

MAX_BODY_BYTES: Final = 1 << 20
"""Who posts more than this is let go."""


class ApiConversation:
    """Requests, answers, and at most one watch at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._http = h11.Connection(h11.SERVER)
        self._asked: h11.Request | None = None
        self._body = b""
        self._seen = 0
        self.watch: Watch | None = None
        """The watch that this connection shows now."""
        self.is_over = False
        """Whether the connection must be closed once what was returned is sent."""
        self.posted: list[Json] = []
        """Events that the client told, oldest first."""

    def receive(self, data: bytes) -> bytes:
        """Take what came (empty for the end of the stream) and return what is to be sent."""
        output = b""
        try:
            self._http.receive_data(data)
            while not self.is_over and self.watch is None:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._asked, self._body = event, b""
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    self.is_over = len(self._body) > MAX_BODY_BYTES
                elif isinstance(event, h11.EndOfMessage):
                    output += self._respond()
                elif isinstance(event, h11.ConnectionClosed):
                    self.is_over = True
                else:
                    break
        except h11.RemoteProtocolError:
            self.is_over = True
        return output

    def changed(self) -> bytes:
        """Return what the watch sees of the changes since the last time."""
        if self.watch is None:
            return b""
        try:
            events = self._store.events(self.watch.query, after=self._seen)
        except Gone as error:
            failure = {"type": "ERROR", "object": status(410, str(error))}
            return self._lines([failure]) + self.end_watch()
        self._seen = self._store.version
        return self._lines(events)

    def end_watch(self) -> bytes:
        """Return the end of the watch's answer; its time is over."""
        if self.watch is None:
            return b""
        self.watch = None
        return self._finish(b"")

    def _respond(self) -> bytes:
        asked, self._asked = self._asked, None
        if asked is None:
            raise h11.RemoteProtocolError("a message ended that had not begun")
        method, target = asked.method.decode("latin-1"), asked.target.decode("latin-1")
        found = answer(self._store, method, target, self._body)
        if isinstance(found, Watch):
            return self._begin(found)
        if found.status == CREATED:
            self.posted.append(found.body)
        return self._whole(found)

    def _begin(self, watch: Watch) -> bytes:
        self.watch = watch
        output = self._send(h11.Response(status_code=OK, headers=[_JSON]))
        if watch.after is not None:
            self._seen = watch.after
            return output + self.changed()
        self._seen = self._store.version
        first = list(self._store.initial_events(watch.query, bookmark=watch.bookmark))
        return output + self._lines(first)

    def _whole(self, found: Answer) -> bytes:
        body = json.dumps(found.body).encode()
        headers = [_JSON, ("Content-Length", str(len(body)))]
        return self._send(h11.Response(status_code=found.status, headers=headers)) + self._finish(
            body
        )

    def _finish(self, body: bytes) -> bytes:
        output = self._send(h11.Data(data=body)) if body else b""
        output += self._send(h11.EndOfMessage())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.is_over = True
        return output

    def _lines(self, events: list[Json]) -> bytes:
        text = "".join(json.dumps(event) + "\n" for event in events)
        return self._send(h11.Data(data=text.encode())) if text else b""

    def _send(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""


_JSON: Final = ("Content-Type", "application/json")
