"""Pods, workloads and the metadata of every kind, as the API server validates them.

Source: kubernetes v1.36 pkg/apis/core/validation/validation.go, ValidatePodSpec and
ValidateObjectMeta; pkg/apis/apps/validation, ValidateDeployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from labkit.manifest import kinds, names
from labkit.manifest.addresses import address_findings
from labkit.manifest.key import CLUSTER_WIDE
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.scope import MOST_REPLICAS, Scope

PORTS: Final = range(1, 65536)
_GIVE_PORT: Final = "give a port between 1 and 65535"
_READY: Final = "labkit.dev/ready"
_OWN_PREFIX: Final = "labkit.dev/"


def meta_findings(loaded: Loaded, meta: kinds.ObjectMeta) -> Iterator[Finding]:
    """What is wrong with the metadata of a Kubernetes object."""
    where: Path = ("metadata", "name")
    if not meta.name:
        yield Finding(where, "required", "give the object a name")
    else:
        rule = names.label if loaded.kind in ("Namespace", "Service") else names.subdomain
        if remedy := rule(meta.name):
            yield Finding(where, f"'{quote(meta.name)}' is no {loaded.kind} name", remedy)
    if loaded.kind not in CLUSTER_WIDE and (remedy := names.label(meta.namespace)):
        message = f"'{quote(meta.namespace)}' is no Namespace name"
        yield Finding(("metadata", "namespace"), message, remedy)
    yield from names.label_findings(meta.labels, ("metadata", "labels"))


def pod_findings(pod: kinds.Pod, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one Pod."""
    yield from _annotations(pod.metadata.annotations, ("metadata", "annotations"))
    yield from _pod_spec(pod.spec, ("spec",), scope)
    if pod.status.pod_ip:
        yield from address_findings(pod.status.pod_ip, ("status", "podIP"))


def workload_findings(loaded: Loaded, workload: kinds.Workload, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one Deployment or ReplicaSet."""
    spec = workload.spec
    template: Path = ("spec", "template")
    if not 0 <= spec.replicas <= MOST_REPLICAS:
        remedy = f"give 0 to {MOST_REPLICAS}"
        yield Finding(("spec", "replicas"), f"{spec.replicas} is out of range", remedy)
    yield from _selector(loaded, spec)
    labels: Path = (*template, "metadata", "labels")
    yield from names.label_findings(spec.template.metadata.labels, labels)
    annotations = spec.template.metadata.annotations
    yield from _annotations(annotations, (*template, "metadata", "annotations"))
    yield from _pod_spec(spec.template.spec, (*template, "spec"), scope)


def _selector(loaded: Loaded, spec: kinds.WorkloadSpec) -> Iterator[Finding]:
    where: Path = ("spec", "selector")
    selector, labels = spec.selector, spec.template.metadata.labels
    if not selector.match_labels and not selector.match_expressions:
        message = "selects everything" if loaded.has(*where) else "required"
        yield Finding(where, message, "give matchLabels that the template's labels have")
        return
    yield from names.label_findings(selector.match_labels, (*where, "matchLabels"))
    wanted = selector.match_labels.items() <= labels.items()
    if not wanted or not all(_matches(each, labels) for each in selector.match_expressions):
        remedy = "give the template the labels that the selector asks for"
        yield Finding(where, "it does not select the template's own pods", remedy)


def _matches(requirement: kinds.SelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil one of matchExpressions (apimachinery labels.Requirement)."""
    value = labels.get(requirement.key)
    if requirement.operator == "In":
        return value is not None and value in requirement.values
    if requirement.operator == "NotIn":
        return value is None or value not in requirement.values
    return (value is not None) == (requirement.operator == "Exists")


def _annotations(annotations: Mapping[str, str], path: Path) -> Iterator[Finding]:
    for name in annotations:
        if name.startswith(_OWN_PREFIX) and name != _READY:
            remedy = nearest(name, [_READY])
            yield Finding((*path, name), "labkit has no such annotation", remedy, at_key=True)
    ready = annotations.get(_READY)
    if ready not in (None, "true", "false"):
        yield Finding((*path, _READY), f"found '{quote(str(ready))}'", 'give "true" or "false"')


def _pod_spec(spec: kinds.PodSpec, path: Path, scope: Scope) -> Iterator[Finding]:
    if spec.node_name is not None and scope.lacks_node(spec.node_name):
        where = (*path, "nodeName")
        message = f"there is no node '{quote(spec.node_name)}' in this lab"
        yield Finding(where, message, nearest(spec.node_name, scope.nodes))
    if not spec.containers:
        yield Finding((*path, "containers"), "required", "list at least one container")
    seen: set[str] = set()
    for index, container in enumerate(spec.containers):
        where = (*path, "containers", index)
        if remedy := names.label(container.name):
            message = f"'{quote(container.name)}' is no container name"
            yield Finding((*where, "name"), message, remedy)
        elif container.name in seen:
            message = f"the name {container.name} is there twice"
            yield Finding((*where, "name"), message, "name each container differently")
        seen.add(container.name)
        yield from _environment(container, where)
        yield from _container_ports(container, where, host_network=spec.host_network)


def _environment(container: kinds.Container, path: Path) -> Iterator[Finding]:
    for index, variable in enumerate(container.env):
        if not variable.name or "=" in variable.name or not variable.name.isprintable():
            where = (*path, "env", index, "name")
            message = f"'{quote(variable.name)}' is no name of a variable"
            yield Finding(where, message, "give printable characters without '='")


def _container_ports(
    container: kinds.Container, path: Path, *, host_network: bool
) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, port in enumerate(container.ports):
        where = (*path, "ports", index)
        if port.container_port not in PORTS:
            message = f"{port.container_port} is no port"
            yield Finding((*where, "containerPort"), message, _GIVE_PORT)
        if port.name and (remedy := names.port_name(port.name)):
            yield Finding((*where, "name"), f"'{quote(port.name)}' is no port name", remedy)
        elif port.name and port.name in seen:
            message = f"the name {port.name} is there twice"
            yield Finding((*where, "name"), message, "name each port differently")
        seen.add(port.name)
        yield from _host_port(port, where, host_network=host_network)


def _host_port(port: kinds.ContainerPort, path: Path, *, host_network: bool) -> Iterator[Finding]:
    where = (*path, "hostPort")
    if port.host_ip:
        yield from address_findings(port.host_ip, (*path, "hostIP"))
    if not port.host_port:
        return
    if port.host_port not in PORTS:
        yield Finding(where, f"{port.host_port} is no port", _GIVE_PORT)
    elif host_network and port.host_port != port.container_port:
        message = f"{port.host_port} is not the containerPort of a hostNetwork pod"
        yield Finding(where, message, f"give {port.container_port}, or leave it out")
