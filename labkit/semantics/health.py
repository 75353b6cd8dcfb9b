"""What the health check port of a Service answers on a node.

A load balancer asks it whether to send there. Endpoints that terminate still serve, but no longer
count: that is how the load balancer is told to stop.

Source: KEP-1669; https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-policies.
"""

from __future__ import annotations

from typing import Final, Literal

from labkit.cluster.model import Cluster, Node, Service

HEALTHY: Final = 200
UNHEALTHY: Final = 503


def health_status(cluster: Cluster, service: Service, node: Node) -> Literal[200, 503]:
    """Return the HTTP status: whether the node has a ready endpoint of its own."""
    for port in service.ports:
        for endpoint in cluster.endpoints.get(service.port_name(port), ()):
            if endpoint.ready and endpoint.node == node.name:
                return HEALTHY
    return UNHEALTHY
