"""What `kubectl get -o yaml` prints: Lists, nulls, owners, foreign kinds."""

from __future__ import annotations

import pytest

from labkit.cluster.build import build_cluster
from labkit.manifest.load import load_text
from tests.unit.manifest.marked import assert_one_error, errors

DUMP = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    creationTimestamp: "2024-01-01T00:00:00Z"
    generateName: web-6d4cf56db6-
    labels: {app: web, pod-template-hash: 6d4cf56db6}
    name: web-6d4cf56db6-abcde
    namespace: default
    ownerReferences:
    - {apiVersion: apps/v1, kind: ReplicaSet, name: web-6d4cf56db6, controller: true}
  spec:
    nodeName: worker
    tolerations: null
    containers:
    - {name: web, image: nginx, command: null, ports: [{containerPort: 80, protocol: TCP}]}
  status:
    podIP: 10.244.1.7
    conditions: [{type: Ready, status: "True"}]
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata:
    name: web-6d4cf56db6
    labels: {app: web, pod-template-hash: 6d4cf56db6}
    ownerReferences: [{kind: Deployment, name: web}]
  spec:
    replicas: 1
    selector: {matchLabels: {app: web, pod-template-hash: 6d4cf56db6}}
    template: &template
      metadata: {creationTimestamp: null, labels: {app: web, pod-template-hash: 6d4cf56db6}}
      spec: {containers: [{name: web, ports: [{containerPort: 80}]}]}
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata:
    name: web-old
    labels: {app: web, pod-template-hash: old}
    ownerReferences: [{kind: Deployment, name: web}]
  spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: *template}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: *template}
- apiVersion: v1
  kind: Service
  metadata: {name: web, labels: , annotations: null}
  spec:
    clusterIP: 10.96.7.7
    clusterIPs: [10.96.7.7]
    internalTrafficPolicy: Cluster
    ipFamilies: [IPv4]
    ports: [{port: 80, protocol: TCP, targetPort: 80}]
    selector: {app: web}
    sessionAffinity: None
    type: ClusterIP
  status: {loadBalancer: {}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata:
    name: web-x1
    labels:
      kubernetes.io/service-name: web
      endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
  addressType: IPv4
  endpoints: [{addresses: [10.244.1.7], conditions: {ready: true}, nodeName: worker}]
  ports: [{name: "", port: 80, protocol: TCP}]
- apiVersion: v1
  kind: Endpoints
  metadata: {name: web}
  subsets: null
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: b}
- apiVersion: serving.knative.dev/v1
  kind: Service
  metadata: {name: foreign}
- apiVersion: v1
  kind: Node
  metadata: {name: worker, labels: {topology.kubernetes.io/zone: a}}
  spec: {podCIDR: 10.244.1.0/24}
  status: {addresses: [{type: Hostname, address: worker}, {type: InternalIP, address: 172.18.0.3}]}
kind: List
metadata: {resourceVersion: ""}
"""


def without(text: str, kind: str) -> str:
    """The dump without the items of a kind."""
    head, *items = text.removesuffix(TAIL).split("\n- ")
    kept = [item for item in items if f"kind: {kind}\n" not in item]
    return "\n- ".join([head, *kept]).rstrip("\n") + "\n" + TAIL


TAIL = 'kind: List\nmetadata: {resourceVersion: ""}\n'


def test_a_dump_is_one_scenario_with_each_pod_once() -> None:
    scenario = load_text(DUMP, file="my dump.yaml")
    assert [pod.metadata.name for pod in scenario.pods] == ["web-6d4cf56db6-abcde"]
    assert [each.metadata.name for each in scenario.workloads] == ["web-old"]
    assert scenario.endpoint_slices == ()
    assert scenario.ignored == (
        "1 Endpoints",
        "2 ConfigMap",
        "1 Service",
        "ReplicaSet web-6d4cf56db6 (its pods are in the file)",
        "Deployment web (its pods are in the file)",
        "EndpointSlice web-x1 (labkit makes it from the pods)",
    )
    assert scenario.lab.metadata.name == "my-dump"


def test_a_pod_that_has_ended_is_left_out() -> None:
    scenario = load_text(DUMP.replace("podIP: 10.244.1.7", "phase: Succeeded"))
    assert scenario.pods == ()
    assert "Pod web-6d4cf56db6-abcde (it has ended)" in scenario.ignored


def test_two_pods_cannot_have_one_address() -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\n"
        "spec: {{containers: [{{name: c}}]}}\nstatus: {{podIP: {}}}\n---\n"
    )
    assert_one_error(
        pod.format("a", "10.244.1.7") + pod.format("b", "§10.244.1.7"),
        "status.podIP: podIP 10.244.1.7 is taken at bad.yaml:5:17;"
        " give each pod its own, or leave it out",
    )


def test_a_lab_made_from_nodes_keeps_their_addresses() -> None:
    cluster = build_cluster(load_text(DUMP))
    assert [str(node.address) for node in cluster.nodes] == ["172.18.0.3"]
    assert str(cluster.network.lan) == "172.18.0.0/24"
    assert [str(pod.address) for pod in cluster.pods] == ["10.244.1.7"]
    assert cluster.nodes[0].zone == "a"
    assert [client.name for client in cluster.clients] == ["client"]


def test_a_deployment_whose_replica_set_is_not_in_the_dump_is_not_doubled() -> None:
    scenario = load_text(
        without(DUMP, "ReplicaSet").replace(
            "*template", "{metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}"
        )
    )
    assert scenario.workloads == ()
    assert len(scenario.pods) == 1


def test_a_deployment_without_its_pods_stands_for_itself() -> None:
    text = without(without(DUMP, "Pod"), "ReplicaSet").replace(
        "*template", "{metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}"
    )
    assert [each.metadata.name for each in load_text(text).workloads] == ["web"]


def test_node_ranges_widen_until_they_hold_every_node_and_cluster_ip() -> None:
    node = (
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {}}}\nspec: {{podCIDR: {}}}\n"
        "status: {{addresses: [{{type: InternalIP, address: {}}}]}}\n---\n"
    )
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
        "spec: {clusterIP: 172.30.5.5, ports: [{port: 80}]}\n"
    )
    network = load_text(
        node.format("a", "10.0.1.0/24", "192.168.3.7")
        + node.format("b", "10.1.0.0/24", "192.168.4.7")
        + service
    ).lab.spec.network
    assert (network.lan, network.pod_cidr) == ("192.168.0.0/21", "10.0.0.0/15")
    assert network.service_cidr == "172.30.0.0/16"


def test_a_node_among_its_pods_keeps_its_address_and_gets_another_pod_cidr() -> None:
    node = (
        "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {podCIDR: 10.0.1.0/24}\n"
        "status: {addresses: [{type: InternalIP, address: 10.0.1.7}]}\n"
    )
    (found,) = load_text(node).lab.spec.nodes
    assert (found.address, found.pod_cidr) == ("10.0.1.7", "10.244.1.0/24")


def test_what_is_wrong_with_a_lab_that_nobody_wrote_is_told_where_the_files_begin() -> None:
    (problem,) = errors("apiVersion: v1\nkind: Node\nmetadata: {name: preserved}\n")
    assert problem == (
        "bad.yaml:1:1: spec.nodes[0].name: the Lab made from this file's Nodes and Services:"
        " preserved has a meaning of its own; write a Lab of your own, and there clientSource uses"
        " it for the client's own address; give another"
    )


def test_without_lab_and_nodes_there_are_two_nodes() -> None:
    scenario = load_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", file="x/Ä.yaml")
    assert [node.name for node in scenario.lab.spec.nodes] == ["node1", "node2"]
    assert scenario.lab.metadata.name == "lab"


def test_a_lab_without_nodes_takes_the_files_nodes() -> None:
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: worker}\n---\n"
    lab = "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: l}\nspec: {nodes: }\n"
    assert [each.name for each in load_text(node + lab).lab.spec.nodes] == ["worker"]


def test_a_pod_cannot_be_called_like_a_node_that_nobody_wrote() -> None:
    assert_one_error(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: §node1}\nspec: {containers: [{name: c}]}\n",
        "metadata.name: the pod name node1 is taken at bad.yaml:1:1;"
        " name pods, nodes and clients differently",
    )


def test_positions_inside_a_list_are_the_items_own() -> None:
    assert_one_error(
        DUMP.replace("targetPort: 80", "targetPort: §0"),
        "spec.ports[0].targetPort: 0 is no port; give a port between 1 and 65535",
    )


def test_a_typed_list_gives_its_items_their_kind() -> None:
    text = (
        "apiVersion: v1\nkind: PodList\nitems:\n"
        "- {metadata: {name: a}, spec: {containers: [{name: c}]}}\n"
    )
    assert [pod.metadata.name for pod in load_text(text).pods] == ["a"]


def test_a_list_in_a_list_and_an_empty_list_are_read() -> None:
    inner = "{apiVersion: v1, kind: Namespace, metadata: {name: a}}"
    text = f"apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: List, items: [{inner}]}}]"
    assert [each.kind for each in load_text(text).objects] == ["Namespace"]
    assert load_text("apiVersion: v1\nkind: List\nitems: null\n").objects == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("§just text", "this is no object; give a mapping with apiVersion and kind"),
        ("§[{kind: Pod}]", "this is no object; give a mapping with apiVersion and kind"),
        (
            "§{apiVersion: v1}",
            (
                "kind: required; give one of Lab, Check, Namespace, Node, Pod, Service, Deployment,"
                " ReplicaSet, EndpointSlice"
            ),
        ),
        ("§{kind: Lab}", "apiVersion: required; give labkit.dev/v1"),
        ("{apiVersion: §v1, kind: Lab}", "apiVersion: Lab is not in v1; give labkit.dev/v1"),
        (
            "{apiVersion: §labkit.dev/v2, kind: Lab}",
            "apiVersion: Lab is not in labkit.dev/v2; give labkit.dev/v1",
        ),
        (
            "{apiVersion: labkit.dev/v1, kind: §Chek}",
            "kind: labkit.dev has no Chek; did you mean Check? there are: Lab, Check",
        ),
        (
            "{apiVersion: §extensions/v1beta1, kind: Deployment}",
            "apiVersion: Deployment is not in extensions/v1beta1; give apps/v1",
        ),
        (
            "{apiVersion: v1, kind: §Servce}",
            (
                "kind: there is no kind Servce; did you mean Service? there are: Lab, Check,"
                " Namespace, Node, Pod, Service, Deployment, ReplicaSet, EndpointSlice, Binding,"
                " ComponentStatus, ConfigMap, …"
            ),
        ),
        ("{apiVersion: v1, kind: List, items: §7}", "items: not a list; give a list of objects"),
        (
            "{apiVersion: v1, kind: List, items: [§7]}",
            "this is no object; give a mapping with apiVersion and kind",
        ),
    ],
)
def test_what_is_no_object_is_told(text: str, problem: str) -> None:
    assert_one_error(text, problem)
