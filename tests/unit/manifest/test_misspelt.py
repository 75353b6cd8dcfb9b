"""A field that Kubernetes does not have is refused, and one that labkit does not read is not."""

from __future__ import annotations

import pytest
from msgspec import Struct

from labkit.errors import ManifestError
from labkit.manifest.kinds import base, kubernetes, services
from labkit.manifest.kinds.unread import unread_fields
from labkit.manifest.load import load_text
from tests.unit.manifest.marked import LAB

MISSPELT = """\
apiVersion: v1
kind: Service
metadata: {name: web, label: {app: web}}
spec:
  selector: {app: web}
  externaltrafficPolicy: Local
  ports: [{port: 80, targetport: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replica: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostnetwork: true
      containers:
      - name: web
        port: [{containerPort: 80}]
        env: [{name: A, values: b}]
---
apiVersion: v1
kind: Pod
metadata: {name: lone}
Spec: {}
spec: {containers: [{name: c}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, labels: {kubernetes.io/service-name: other}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], condition: {ready: true}}]
ports: [{port: 80, weight: 1}]
---
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCidr: 10.0.0.0/24}
"""
PLACES = {
    "3:23: metadata.label": "labels",
    "6:3: spec.externaltrafficPolicy": "externalTrafficPolicy",
    "7:22: spec.ports[0].targetport": "targetPort",
    "13:3: spec.replica": "replicas",
    "18:7: spec.template.spec.hostnetwork": "hostNetwork",
    "21:9: spec.template.spec.containers[0].port": "ports",
    "22:25: spec.template.spec.containers[0].env[0].values": "value",
    "27:1: Spec": "spec",
    "34:37: endpoints[0].condition": "conditions",
    "40:8: spec.podCidr": "podCIDR",
}
UNREAD = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, finalizers: [a/b]}
spec: {finalizers: [kubernetes]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, generateName: web-, creationTimestamp: null, annotations: {any/thing: goes}}
spec:
  strategy: {type: Recreate, anything: below is not looked at}
  revisionHistoryLimit: 3
  progressDeadlineSeconds: 60
  selector: {matchExpressions: [{key: app, operator: Exists}]}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {zone: a}
      serviceAccountName: web
      terminationGracePeriodSeconds: 5
      tolerations: [{operator: Exists}]
      topologySpreadConstraints: []
      volumes: [{name: v, emptyDir: {}}]
      initContainers: [{name: i, imagePullPolicy: Always}]
      containers:
      - name: web
        image: nginx
        livenessProbe: {httpGet: {path: /, port: 80}}
        resources: {limits: {cpu: 1}}
        securityContext: {runAsUser: 1}
        volumeMounts: [{name: v, mountPath: /v}]
        env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{containerPort: 80, hostPort: 8080, hostIP: 192.168.0.1}]
status: {}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ipFamilyPolicy: SingleStack
  ipFamilies: [IPv4]
  loadBalancerClass: example.com/lb
  selector: {app: web}
  ports: [{port: 80, appProtocol: http}]
status: {loadBalancer: {}, conditions: []}
"""
STRUCTS = [
    part
    for module in (base, kubernetes, services)
    for part in vars(module).values()
    if isinstance(part, type) and issubclass(part, Struct) and part.__module__ == module.__name__
]


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as error:
        load_text(text, file="f.yaml")
    return str(error.value).splitlines()


@pytest.mark.parametrize("place", PLACES)
def test_a_misspelt_field_is_refused_where_it_stands(place: str) -> None:
    found = [line for line in problems(MISSPELT) if line.startswith(f"f.yaml:{place}: ")]
    assert len(found) == 1
    assert f"no such field; did you mean {PLACES[place]}? there are: " in found[0]


def test_a_name_that_is_like_none_is_refused_too() -> None:
    (line,) = [line for line in problems(MISSPELT) if "ports[0].weight" in line]
    assert line == (
        "f.yaml:35:20: ports[0].weight: Kubernetes 1.36 has no such field; "
        "there are: port, name, protocol, appProtocol"
    )


def test_fields_that_labkit_does_not_read_pass() -> None:
    assert load_text(LAB + UNREAD).workloads[0].metadata.name == "web"


def test_what_an_api_server_gave_passes_whatever_its_version() -> None:
    text = MISSPELT.replace("name: web,", "uid: u, name: web,").partition("---")[0]
    assert load_text(LAB + text).services[0].spec.external_traffic_policy == "Cluster"


@pytest.mark.parametrize("part", STRUCTS, ids=lambda part: part.__name__)
def test_no_field_is_read_and_unread(part: type[Struct]) -> None:
    unread = unread_fields(part)
    assert not set(part.__struct_encode_fields__) & set(unread)
    assert len(set(unread)) == len(unread)
