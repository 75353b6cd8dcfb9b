"""What the responders' ports answer: a pod's site, and a Service's health check on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labkit.cluster.object_names import ObjectName
from labkit.probe.wire import PROBE_COMMAND, Identity, http_answer

if TYPE_CHECKING:  # the e2e paths are for others than probes: most labs never need them
    from labkit.probe.netexec import Request, Response

_HEALTH_BODY: Final = """{{
\t"service": {{
\t\t"namespace": "{namespace}",
\t\t"name": "{name}"
\t}},
\t"localEndpoints": {count},
\t"serviceProxyHealthy": true
}}"""


class PodSite:
    """Answers for a pod."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def probe_answer(self, client: str, address: str) -> bytes:
        """Return the JSON that says who answered, as a whole HTTP answer."""
        return self._identity.http_answer(client, address)

    def respond(self, request: Request) -> Response:
        """Answer as agnhost netexec does."""
        from labkit.probe import netexec

        return netexec.respond(self._identity, request)

    def command(self, message: bytes, client: str, address: str) -> bytes | None:
        """Answer as agnhost netexec does, and `PROBE_COMMAND`."""
        if message == PROBE_COMMAND:
            return self._identity.whoami(client, address)
        from labkit.probe import netexec

        return netexec.command(self._identity, message, client=client, address=address)


class HealthSite:
    """Answers kube-proxy's health check of one Service, on every path.

    Source: kubernetes v1.36 pkg/proxy/healthcheck/service_health.go, hcHandler.ServeHTTP.
    """

    def __init__(self, service: ObjectName, local_endpoints: int) -> None:
        self.service = service
        self.local_endpoints = local_endpoints
        """Ready endpoints on this node; may change while the port is served."""

    def probe_answer(self, client: str, address: str) -> bytes:  # noqa: ARG002 - the same to all
        """Return the health check's whole HTTP answer."""
        status = b"200 OK" if self.local_endpoints else b"503 Service Unavailable"
        headers = "".join(f"{name}: {value}\r\n" for name, value in self._headers())
        return http_answer(status, headers.encode(), self._body())

    def respond(self, request: Request) -> Response:  # noqa: ARG002 - the same on every path
        """Return 200 if this node has ready endpoints of the Service, else 503."""
        from labkit.probe.netexec import JSON, Response

        return Response(
            status=200 if self.local_endpoints else 503,
            body=self._body(),
            content_type=JSON,
            headers=self._headers(),
        )

    def command(self, message: bytes, client: str, address: str) -> None:
        """Answer nothing: health checks are HTTP."""

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("X-Content-Type-Options", "nosniff"),
            ("X-Load-Balancing-Endpoint-Weight", str(self.local_endpoints)),
        )

    def _body(self) -> bytes:
        return _HEALTH_BODY.format(
            namespace=self.service.namespace, name=self.service.name, count=self.local_endpoints
        ).encode()
