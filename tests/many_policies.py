"""A cluster whose Services have every policy, and what it can be varied by."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load_objects

Object = dict[str, object]

CLIENT = "192.168.0.100"
LOCAL: Mapping[str, object] = {"externalTrafficPolicy": "Local"}
NOBODY: Mapping[str, object] = {"selector": {"app": "none"}}
ROUTES = [{"to": "203.0.113.0/24", "via": "node1"}, {"to": "10.96.0.0/16", "via": "node3"}]
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "plain": {},
    "without clusterCIDR": {"kubeProxy": {"clusterCIDR": ""}},
    "masqueradeAll": {"kubeProxy": {"iptables": {"masqueradeAll": True}}},
    "without CNI masquerade": {"network": {"podMasquerade": False}},
    "vxlan": {"network": {"podNetwork": "vxlan"}},
    "without masquerade": {"without": ["masquerade"]},
    "NodeCIDR": {"kubeProxy": {"detectLocalMode": "NodeCIDR"}},
    "BridgeInterface": {
        "kubeProxy": {
            "detectLocalMode": "BridgeInterface",
            "detectLocal": {"bridgeInterface": "cni0"},
        }
    },
    "NodePorts on the LAN": {"kubeProxy": {"nodePortAddresses": ["192.168.0.0/24"]}},
    "NodePorts on bridges and localhost": {
        "kubeProxy": {"nodePortAddresses": ["127.0.0.0/8", "10.244.0.0/16"]}
    },
    "no NodePorts on localhost": {"kubeProxy": {"iptables": {"localhostNodePorts": False}}},
    "client behind a router": {
        "clients": [{"name": "client", "address": "198.51.100.7", "routes": ROUTES}]
    },
}
"""More of the Lab's spec, by what it shows."""


def every_policy(**spec: object) -> Scenario:
    """Three nodes, endpoints on the first two, and Services that differ in one thing each."""
    lab: Object = {
        "apiVersion": "labkit.dev/v1",
        "kind": "Lab",
        "metadata": {"name": "every-policy"},
        "spec": {
            "nodes": [{"name": "node1"}, {"name": "node2"}, {"name": "node3"}],
            "clients": [{"name": "client", "address": CLIENT, "routes": ROUTES}],
            **spec,
        },
    }
    pods = [
        _pod("web-1", "node1", {"app": "web", "first": "yes"}),
        _pod("web-2", "node2", {"app": "web"}),
        _pod("other-1", "node1", {}),
        _pod("other-3", "node3", {}),
        _pod("host-1", "node1", {"app": "host"}, port=8088, host_network=True),
    ]
    services = [
        _service("both-local", 1, {**LOCAL, "internalTrafficPolicy": "Local"}),
        _service("cluster", 2, {"externalIPs": ["203.0.113.102"]}),
        _service("closed", 3, {}, target_port=81),
        _service("empty", 4, {**NOBODY, "externalIPs": ["203.0.113.104"]}),
        _service("empty-local", 5, {**NOBODY, **LOCAL}),
        _service("empty-ranges", 6, {**NOBODY, "loadBalancerSourceRanges": ["192.168.0.1/32"]}),
        _service("host", 7, {"selector": {"app": "host"}}, target_port=8088),
        _service("host-local", 8, {"selector": {"app": "host"}, **LOCAL}, target_port=8088),
        _service("internal", 9, {"type": "ClusterIP", "internalTrafficPolicy": "Local"}),
        _service("local", 10, {**LOCAL, "externalIPs": ["203.0.113.110"]}),
        _service("one-local", 11, {**LOCAL, "selector": {"first": "yes"}}),
        _service("proxy", 12, {}, ip_mode="Proxy"),
        _service("ranges-any", 13, {"loadBalancerSourceRanges": ["0.0.0.0/0"]}),
        _service("ranges-client", 14, {"loadBalancerSourceRanges": [f"{CLIENT}/32"]}),
        _service(
            "ranges-local",
            15,
            {**LOCAL, "loadBalancerSourceRanges": ["10.244.0.0/16", "192.168.0.2/32"]},
        ),
        _service("sticky-local", 16, {**LOCAL, "sessionAffinity": "ClientIP"}),
    ]
    return load_objects([lab, *pods, *services])


def _pod(
    name: str, node: str, labels: Mapping[str, str], *, port: int = 80, host_network: bool = False
) -> Object:
    container = {"name": "web", "image": "web", "ports": [{"containerPort": port}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"nodeName": node, "hostNetwork": host_network, "containers": [container]},
    }


def _service(
    name: str,
    number: int,
    policies: Mapping[str, object],
    *,
    target_port: int = 80,
    ip_mode: str = "VIP",
) -> Object:
    """A Service whose addresses and NodePort end in its number."""
    spec: Object = {"type": "LoadBalancer", "selector": {"app": "web"}, **policies}
    outside = spec["type"] == "LoadBalancer"
    port: Object = {"name": "http", "port": 80, "targetPort": target_port}
    if outside:
        port["nodePort"] = 30000 + number
    ingress = [{"ip": f"203.0.113.{number}", "ipMode": ip_mode}] if outside else []
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"clusterIP": f"10.96.0.{number}", "ports": [port], **spec},
        "status": {"loadBalancer": {"ingress": ingress}},
    }
