"""Dumps of clusters for tests: objects as an API server gives them, printed as by kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from uuid import NAMESPACE_DNS, uuid5

import yaml

Object = dict[str, object]

CREATED = "2025-03-04T05:06:07Z"


def meta(name: str, namespace: str | None = "default", **more: object) -> Object:
    """``metadata`` with what the API server adds."""
    fields: Object = {
        "creationTimestamp": CREATED,
        "name": name,
        "resourceVersion": "123456",
        "uid": str(uuid5(NAMESPACE_DNS, f"{namespace}/{name}")),
        **({"namespace": namespace} if namespace else {}),
        **more,
    }
    return fields


def managed_fields() -> list[Object]:
    """What `kubectl get --show-managed-fields` adds."""
    return [
        {
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}}}}},
            "manager": "kubelet",
            "operation": "Update",
            "subresource": "status",
            "time": CREATED,
        }
    ]


def condition(kind: str, status: str) -> Object:
    """One of ``status.conditions``."""
    return {
        "lastHeartbeatTime": CREATED,
        "lastTransitionTime": CREATED,
        "message": f"{kind} is {status}: a message long enough to be\nfolded by whoever prints it",
        "reason": "Kubelet",
        "status": status,
        "type": kind,
    }


def node(
    name: str,
    address: str | Sequence[str] | None,
    pod_cidr: str | Sequence[str] | None = None,
    *,
    zone: str = "eu-1a",
    ready: str = "True",
) -> Object:
    """A Node with its status."""
    addresses = [address] if isinstance(address, str) else list(address or ())
    ranges = [pod_cidr] if isinstance(pod_cidr, str) else list(pod_cidr or ())
    spec: Object = {"providerID": f"kind://docker/kind/{name}"}
    if ranges:
        spec |= {"podCIDR": ranges[0], "podCIDRs": ranges}
    if ready != "True":
        spec["taints"] = [
            {"effect": "NoSchedule", "key": "node.kubernetes.io/not-ready", "timeAdded": CREATED}
        ]
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta(name, None, labels=labels, managedFields=managed_fields()),
        "spec": spec,
        "status": {
            "addresses": [
                *({"address": each, "type": "InternalIP"} for each in addresses),
                {"address": name, "type": "Hostname"},
            ],
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "conditions": [condition("MemoryPressure", "False"), condition("Ready", ready)],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": [
                {"names": [f"registry.example/app-{i}@sha256:{i:064x}"], "sizeBytes": 1000 + i}
                for i in range(50)
            ],
            "nodeInfo": {"kubeletVersion": "v1.33.1", "operatingSystem": "linux"},
        },
    }


def pod(  # noqa: PLR0913 - each is what one test is about
    name: str,
    node: str | None,
    address: str | Sequence[str] | None,
    *,
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
    ports: Sequence[int | Mapping[str, object]] = (8080,),
    phase: str = "Running",
    ready: bool = True,
    host_network: bool = False,
    host_ip: str | None = None,
    owner: tuple[str, str] | None = None,
    terminating: bool = False,
) -> Object:
    """A Pod with its status."""
    addresses = [address] if isinstance(address, str) else list(address or ())
    more: Object = {"labels": dict(labels or {"app": name}), "managedFields": managed_fields()}
    if owner:
        kind, owned_by = owner
        reference = {
            "apiVersion": "apps/v1",
            "blockOwnerDeletion": True,
            "controller": True,
            "kind": kind,
            "name": owned_by,
            "uid": str(uuid5(NAMESPACE_DNS, owned_by)),
        }
        more |= {"generateName": f"{owned_by}-", "ownerReferences": [reference]}
    if terminating:
        more |= {"deletionGracePeriodSeconds": 30, "deletionTimestamp": CREATED}
    declared = [_container_port(each, host=host_network) for each in ports]
    status: Object = {
        "conditions": [
            condition("Initialized", "True"),
            condition("Ready", str(ready)),
            condition("PodScheduled", str(node is not None)),
        ],
        "phase": phase,
        "qosClass": "BestEffort",
        "startTime": CREATED,
    }
    if host_ip:
        status |= {"hostIP": host_ip, "hostIPs": [{"ip": host_ip}]}
    if addresses:
        status |= {"podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
        status["containerStatuses"] = [
            {
                "containerID": f"containerd://{name}",
                "image": "registry.example/app:1",
                "imageID": "registry.example/app@sha256:0",
                "lastState": {},
                "name": "app",
                "ready": ready,
                "restartCount": 0,
                "started": True,
                "state": {"running": {"startedAt": CREATED}},
            }
        ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, namespace, **more),
        "spec": {
            "containers": [
                {
                    "command": ["/bin/app", "--listen", ":8080"],
                    "env": [
                        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
                    ],
                    "image": "registry.example/app:1",
                    "imagePullPolicy": "IfNotPresent",
                    "name": "app",
                    **({"ports": declared} if declared else {}),
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"}},
                    "resources": {},
                    "volumeMounts": [
                        {
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                            "name": "kube-api-access-x",
                            "readOnly": True,
                        }
                    ],
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            **({"hostNetwork": True} if host_network else {}),
            **({"nodeName": node} if node else {}),
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccountName": "default",
            "tolerations": [
                {
                    "effect": "NoExecute",
                    "key": "node.kubernetes.io/unreachable",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }
            ],
            "volumes": [
                {
                    "name": "kube-api-access-x",
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
                        ],
                    },
                }
            ],
        },
        "status": status,
    }


def _container_port(port: int | Mapping[str, object], *, host: bool) -> Object:
    given: Object = {"containerPort": port} if isinstance(port, int) else dict(port)
    shared = {"hostPort": given["containerPort"]} if host else {}
    return {"protocol": "TCP", **shared, **given}


def service(
    name: str,
    cluster_ip: str | Sequence[str] | None,
    *,
    namespace: str = "default",
    selector: Mapping[str, str] | None = None,
    port: Mapping[str, object] | None = None,
    status: Mapping[str, object] | None = None,
    **spec: object,
) -> Object:
    """A Service with what the API server adds."""
    addresses = [cluster_ip] if isinstance(cluster_ip, str) else list(cluster_ip or ())
    given: Object = {"clusterIP": addresses[0], "clusterIPs": addresses} if addresses else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name, namespace, labels={"app": name}),
        "spec": {
            **given,
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv6" if ":" in each else "IPv4" for each in addresses],
            "ipFamilyPolicy": "SingleStack" if len(addresses) < 2 else "PreferDualStack",
            "ports": [port or {"port": 80, "protocol": "TCP", "targetPort": 8080}],
            **({"selector": dict(selector)} if selector else {}),
            "sessionAffinity": "None",
            "type": "ClusterIP",
            **spec,
        },
        "status": {"loadBalancer": {}, **(status or {})},
    }


def endpoint_slice(
    owner: str,
    endpoints: Sequence[Mapping[str, object]],
    *,
    namespace: str = "default",
    managed_by: str | None = "endpointslice-controller.k8s.io",
    address_type: str = "IPv4",
    port: Mapping[str, object] | None = None,
) -> Object:
    """An EndpointSlice."""
    labels = {"kubernetes.io/service-name": owner}
    if managed_by:
        labels["endpointslice.kubernetes.io/managed-by"] = managed_by
    return {
        "addressType": address_type,
        "apiVersion": "discovery.k8s.io/v1",
        "endpoints": [dict(each) for each in endpoints],
        "kind": "EndpointSlice",
        "metadata": meta(f"{owner}-{address_type.lower()}", namespace, labels=labels),
        "ports": [port or {"name": "", "port": 8080, "protocol": "TCP"}],
    }


def the_api_server(address: str, cluster_ip: str = "10.96.0.1") -> tuple[Object, Object]:
    """The Service ``kubernetes`` and the slice that the API server keeps for it."""
    https = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
    piece = endpoint_slice(
        "kubernetes",
        [{"addresses": [address], "conditions": {"ready": True}}],
        managed_by=None,
        port={"name": "https", "port": 6443, "protocol": "TCP"},
    )
    return service("kubernetes", cluster_ip, port=https), piece


def listed(objects: Sequence[Object], kind: str = "List") -> Object:
    """A List of objects; a typed one, as from `kubectl get --raw`, does not repeat the kind."""
    if kind == "List":
        head: Object = {"kind": "List", "metadata": {"resourceVersion": ""}}
        return {"apiVersion": "v1", "items": list(objects), **head}
    version = str(objects[0]["apiVersion"])
    items = [{k: v for k, v in each.items() if k not in {"apiVersion", "kind"}} for each in objects]
    return {
        "apiVersion": version,
        "items": items,
        "kind": kind,
        "metadata": {"resourceVersion": "123456"},
    }


def as_yaml(*objects: Object) -> str:
    """`kubectl get -o yaml`: keys in order, lists not indented."""
    # By way of JSON: PyYAML would write what two objects share as an alias.
    whole: object = json.loads(json.dumps(listed(objects)))
    text: str = yaml.dump(whole, Dumper=yaml.CSafeDumper, default_flow_style=False)
    return text


def as_json(*objects: Object) -> str:
    """`kubectl get -o json`."""
    return json.dumps(listed(objects), indent=4)


def kind_cluster() -> Iterator[Object]:
    """A kubeadm cluster of three nodes with all that one finds in such a cluster."""
    names = ("kind-control-plane", "kind-worker", "kind-worker2")
    address = {name: f"172.18.0.{number + 2}" for number, name in enumerate(names)}
    for number, name in enumerate(names):
        yield node(name, address[name], f"10.244.{number}.0/24", zone=f"eu-1{'abc'[number]}")
    for name in names:
        for daemon, ports in (("kube-proxy", ()), ("kindnet", (2112,))):
            yield pod(
                f"{daemon}-{name[-5:]}",
                name,
                address[name],
                namespace="kube-system",
                labels={"k8s-app": daemon},
                ports=ports,
                host_network=True,
                host_ip=address[name],
                owner=("DaemonSet", daemon),
            )
    first = names[0]
    yield pod(
        f"kube-apiserver-{first}",
        first,
        address[first],
        namespace="kube-system",
        labels={"component": "kube-apiserver", "tier": "control-plane"},
        ports=(),
        host_network=True,
        host_ip=address[first],
        owner=("Node", first),
    )
    dns = ({"containerPort": 53, "name": "dns", "protocol": "UDP"}, {"containerPort": 9153})
    for number in (2, 3):
        yield pod(
            f"coredns-7db6d8ff4d-{number}",
            first,
            f"10.244.0.{number}",
            namespace="kube-system",
            labels={"k8s-app": "kube-dns", "pod-template-hash": "7db6d8ff4d"},
            ports=dns,
            owner=("ReplicaSet", "coredns-7db6d8ff4d"),
        )
    yield service(
        "kube-dns",
        "10.96.0.10",
        namespace="kube-system",
        selector={"k8s-app": "kube-dns"},
        port={"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
    )
    yield from the_api_server(address[first])
    for number, name in enumerate(names[1:], start=1):
        yield pod(f"web-{number}", name, f"10.244.{number}.5", labels={"app": "web"})
    yield pod("web-gone", names[1], "10.244.1.6", labels={"app": "web"}, terminating=True)
    yield pod("web-sick", names[1], "10.244.1.7", labels={"app": "web"}, ready=False)
    yield pod("web-new", names[1], None, labels={"app": "web"}, phase="Pending", ready=False)
    yield pod("web-waits", None, None, labels={"app": "web"}, phase="Pending", ready=False)
    yield pod("job-1", names[2], "10.244.2.9", phase="Succeeded", ready=False, owner=("Job", "job"))
    yield service("web", "10.96.100.1", selector={"app": "web"})
    yield service("web-peers", "None", selector={"app": "web"})
    yield service("out", None, type="ExternalName", externalName="example.com")
    yield service(
        "web-lb",
        "10.96.100.2",
        selector={"app": "web"},
        type="LoadBalancer",
        allocateLoadBalancerNodePorts=True,
        externalTrafficPolicy="Cluster",
        port={"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30123},
        status={"loadBalancer": {"ingress": [{"ip": "172.18.255.1", "ipMode": "VIP"}]}},
    )
    ready = {"ready": True, "serving": True, "terminating": False}
    entry = {
        "addresses": ["10.244.1.5"],
        "conditions": ready,
        "nodeName": names[1],
        "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "default"},
        "zone": "eu-1b",
    }
    yield endpoint_slice("web", [entry])
    config = meta("kube-root-ca.crt")
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": config, "data": {"ca.crt": "x\ny"}}
