"""Nodes, Pods, workloads and Namespaces, as the API server shapes them.

Source: kubernetes v1.36 core/v1 and apps/v1.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from labkit.manifest.kinds.base import Address, Kubernetes, ObjectMeta, ProtocolName


class Namespace(Kubernetes, frozen=True, kw_only=True):
    """A Kubernetes Namespace; it only names."""

    metadata: ObjectMeta


class NodeAddress(Kubernetes, frozen=True, kw_only=True):
    """``status.addresses[]``; InternalIP is the one that counts."""

    type: str
    address: Address


class Condition(Kubernetes, frozen=True, kw_only=True):
    """``status.conditions[]``; type Ready is the one that counts."""

    type: str
    status: str


class NodeStatus(Kubernetes, frozen=True, kw_only=True):
    """``status`` of a Node."""

    addresses: list[NodeAddress] = []
    conditions: list[Condition] = []


class NodeSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Node."""

    pod_cidr: Address | None = field(name="podCIDR", default=None)
    pod_cidrs: list[Address] = field(name="podCIDRs", default_factory=list)


class NodeObject(Kubernetes, frozen=True, kw_only=True):
    """A Kubernetes Node: its labels, its zone, its address and pod CIDR if given."""

    metadata: ObjectMeta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ContainerPort(Kubernetes, frozen=True, kw_only=True):
    """``ports[]`` of a container."""

    container_port: int
    name: str = ""
    protocol: ProtocolName = "TCP"
    host_port: int | None = None
    host_ip: Address | None = field(name="hostIP", default=None)
    """The one address of the node on which hostPort answers; every one without it."""


class EnvVar(Kubernetes, frozen=True, kw_only=True):
    """``env[]`` of a container; valueFrom is ignored."""

    name: str
    value: str = ""


class Container(Kubernetes, frozen=True, kw_only=True):
    """A container. Without ``command`` it is the built-in responder, whatever its image."""

    name: str
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[EnvVar] = []
    ports: list[ContainerPort] = []


class PodIP(Kubernetes, frozen=True, kw_only=True):
    """``status.podIPs[]``: one of each family."""

    ip: Address = ""


class ContainerStatus(Kubernetes, frozen=True, kw_only=True):
    """``status.containerStatuses[]``."""

    ready: bool = False


class PodStatus(Kubernetes, frozen=True, kw_only=True):
    """``status`` of a Pod."""

    phase: str = ""
    """A dumped pod that is Succeeded or Failed has ended, and is left out."""
    pod_ip: Address | None = field(name="podIP", default=None)
    pod_ips: list[PodIP] = field(name="podIPs", default_factory=list)
    host_ip: Address | None = field(name="hostIP", default=None)
    """The address of the pod's node."""
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []


class PodSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Pod. initContainers are accepted and not run."""

    node_name: str | None = None
    host_network: bool = False
    containers: list[Container] = []
    init_containers: list[Container] = []


class Pod(Kubernetes, frozen=True, kw_only=True):
    """A Pod; the annotation ``labkit.dev/ready: "false"`` makes it unready."""

    metadata: ObjectMeta
    spec: PodSpec
    status: PodStatus = PodStatus()


class SelectorRequirement(Kubernetes, frozen=True, kw_only=True):
    """``matchExpressions[]``."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class LabelSelector(Kubernetes, frozen=True, kw_only=True):
    """``spec.selector`` of a workload: checked against the template's labels."""

    match_labels: dict[str, str] = {}
    match_expressions: list[SelectorRequirement] = []


class PodTemplate(Kubernetes, frozen=True, kw_only=True):
    """``spec.template`` of a workload."""

    spec: PodSpec
    metadata: ObjectMeta = ObjectMeta()


class WorkloadSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Deployment or ReplicaSet."""

    template: PodTemplate
    selector: LabelSelector = LabelSelector()
    replicas: int = 1


class Workload(Kubernetes, frozen=True, kw_only=True):
    """A Deployment or ReplicaSet: ``replicas`` pods, placed round robin over the nodes."""

    metadata: ObjectMeta
    spec: WorkloadSpec

    def replica_name(self, number: int) -> str:
        """The name of a replica; they count from 1."""
        return f"{self.metadata.name}-{number}"
