"""Each rule of validation: where its problem is placed, and what it says."""

from __future__ import annotations

import pytest

from labkit.manifest.load import load_text
from tests.unit.manifest.marked import LAB, SERVICE, WEB, assert_one_error, errors

SERVICES = [
    pytest.param(
        "ports: [§{name: http}]",
        "spec.ports[0].port: required; give a port between 1 and 65535",
        id="port is missing",
    ),
    pytest.param(
        "ports: [{port: §0}]",
        "spec.ports[0].port: 0 is no port; give a port between 1 and 65535",
        id="port is zero",
    ),
    pytest.param(
        'ports: [{port: §"80"}]',
        "spec.ports[0].port: found the text '80'; give a whole number",
        id="port is text",
    ),
    pytest.param(
        "§selector: {app: none}",
        "spec.ports: required; list at least one port",
        id="no ports",
    ),
    pytest.param(
        "ports: [{name: a, port: 80}, {name: b, port: §80}]",
        "spec.ports[1].port: port 80 TCP is there twice; give each port and protocol once",
        id="port twice",
    ),
    pytest.param(
        "ports: [{name: a, port: 80}, {name: §a, port: 81}]",
        "spec.ports[1].name: the name a is there twice; name each port differently",
        id="port name twice",
    ),
    pytest.param(
        "ports: [{name: a, port: 80}, §{port: 81}]",
        "spec.ports[1].name: required; name every port where there are several",
        id="port without a name",
    ),
    pytest.param(
        "ports: [{name: §A, port: 80}]",
        "spec.ports[0].name: 'A' is no port name; give lower-case letters, digits and '-', a"
        " letter or digit at both ends, at most 63 characters",
        id="port name",
    ),
    pytest.param(
        "ports: [{port: 80, protocol: §tcp}]",
        "spec.ports[0].protocol: found the text 'tcp'; did you mean TCP? there are: SCTP, TCP, UDP",
        id="protocol",
    ),
    pytest.param(
        "ports: [{port: 80, targetPort: §70000}]",
        "spec.ports[0].targetPort: 70000 is no port; give a port between 1 and 65535",
        id="targetPort out of range",
    ),
    pytest.param(
        'ports: [{port: 80, targetPort: §"8080"}]',
        "spec.ports[0].targetPort: '8080' is no port name; write the number without quotes: 8080",
        id="targetPort is a number in quotes",
    ),
    pytest.param(
        "selector: {app: web}\n  ports: [{port: 80, targetPort: §htp}]",
        "spec.ports[0].targetPort: no container of the selected pods declares a TCP port htp;"
        " did you mean http? there are: http",
        id="targetPort that nobody declares",
    ),
    pytest.param(
        "selector: {app: web}\n  ports: [{port: 80, targetPort: §dns}]",
        "spec.ports[0].targetPort: no container of the selected pods declares a TCP port dns;"
        " there are: http",
        id="targetPort of another protocol",
    ),
    pytest.param(
        "ports: [{port: 80, nodePort: §30080}]",
        "spec.ports[0].nodePort: a ClusterIP Service has no nodePort;"
        " leave it out, or give type NodePort",
        id="nodePort of a ClusterIP Service",
    ),
    pytest.param(
        "type: NodePort\n  ports: [{port: 80, nodePort: §80}]",
        "spec.ports[0].nodePort: 80 is outside 30000-32767;"
        " give one in it, or widen the Lab's nodePortRange",
        id="nodePort out of range",
    ),
    pytest.param(
        "type: NodePort\n  ports: [{name: a, port: 1, nodePort: 30001},"
        " {name: b, port: 2, nodePort: §30001}]",
        "spec.ports[1].nodePort: nodePort 30001 TCP is taken at bad.yaml:22:40;"
        " give each its own, or leave it out",
        id="nodePort twice",
    ),
    pytest.param(
        "type: §nodeport\n  ports: [{port: 80}]",
        "spec.type: found the text 'nodeport'; did you mean NodePort?"
        " there are: ClusterIP, ExternalName, LoadBalancer, NodePort",
        id="type",
    ),
    pytest.param(
        "clusterIP: §10.96.0\n  ports: [{port: 80}]",
        "spec.clusterIP: '10.96.0' is no address; give an IPv4 address such as 192.168.0.7",
        id="clusterIP is no address",
    ),
    pytest.param(
        "clusterIP: §fd00::1\n  ports: [{port: 80}]",
        "spec.clusterIP: fd00::1 is IPv6, which this version does not have;"
        " give an IPv4 address such as 192.168.0.7",
        id="clusterIP is IPv6",
    ),
    pytest.param(
        "clusterIP: §10.1.0.1\n  ports: [{port: 80}]",
        "spec.clusterIP: 10.1.0.1 is outside the serviceCIDR 10.96.0.0/12;"
        " give an address in it, or leave it out",
        id="clusterIP outside",
    ),
    pytest.param(
        "clusterIP: §10.96.0.0\n  ports: [{port: 80}]",
        "spec.clusterIP: 10.96.0.0 is the first or last address of the serviceCIDR;"
        " give one between them, or leave it out",
        id="clusterIP is the network's",
    ),
    pytest.param(
        "type: NodePort\n  clusterIP: §None\n  ports: [{port: 80}]",
        "spec.clusterIP: None is not for a NodePort Service; leave it out, or give type ClusterIP",
        id="headless NodePort",
    ),
    pytest.param(
        "§type: ExternalName",
        "spec.externalName: required; give the name that this Service stands for",
        id="ExternalName without a name",
    ),
    pytest.param(
        "type: ExternalName\n  externalName: §A_b",
        "spec.externalName: 'A_b' is no DNS name; give lower-case letters, digits, '-' and '.',"
        " a letter or digit at both ends, at most 253 characters",
        id="externalName",
    ),
    pytest.param(
        "type: ExternalName\n  externalName: a.b\n  clusterIP: §10.96.0.1",
        "spec.clusterIP: an ExternalName Service has no clusterIP; leave it out",
        id="ExternalName with clusterIP",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  externalIPs: [§127.0.0.1]",
        "spec.externalIPs[0]: 127.0.0.1 is a loopback address; give an address that can be routed",
        id="externalIP loopback",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  externalIPs: [§169.254.0.1]",
        "spec.externalIPs[0]: 169.254.0.1 is a link-local address;"
        " give an address that can be routed",
        id="externalIP link-local",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  externalIPs: [§0.0.0.0]",
        "spec.externalIPs[0]: 0.0.0.0 is the unspecified address;"
        " give an address that can be routed",
        id="externalIP unspecified",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  externalIPs: [§224.0.0.1]",
        "spec.externalIPs[0]: 224.0.0.1 is a multicast address; give an address that can be routed",
        id="externalIP multicast",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  externalTrafficPolicy: §Cluster",
        "spec.externalTrafficPolicy: a ClusterIP Service without externalIPs cannot be reached"
        " from outside; leave it out, or give type NodePort or LoadBalancer",
        id="externalTrafficPolicy of a ClusterIP Service",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  trafficDistribution: §PreferZone",
        "spec.trafficDistribution: 'PreferZone' is unknown; did you mean PreferSameZone?"
        " there are: PreferClose, PreferSameZone, PreferSameNode",
        id="trafficDistribution",
    ),
    pytest.param(
        "type: NodePort\n  ports: [{port: 80}]\n  healthCheckNodePort: §32000",
        "spec.healthCheckNodePort: only for type LoadBalancer with externalTrafficPolicy Local;"
        " leave it out",
        id="healthCheckNodePort of a NodePort",
    ),
    pytest.param(
        "type: LoadBalancer\n  ports: [{port: 80}]\n  externalTrafficPolicy: Local\n"
        "  healthCheckNodePort: §80",
        "spec.healthCheckNodePort: 80 is outside 30000-32767;"
        " give one in it, or widen the Lab's nodePortRange",
        id="healthCheckNodePort out of range",
    ),
    pytest.param(
        "type: LoadBalancer\n  ports: [{port: 80, nodePort: 32000}]\n"
        "  externalTrafficPolicy: Local\n  healthCheckNodePort: §32000",
        "spec.healthCheckNodePort: port 32000 TCP of the nodes is taken at bad.yaml:22:32;"
        " give each its own, or leave it out",
        id="healthCheckNodePort is a nodePort",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  sessionAffinityConfig: §{clientIP: {timeoutSeconds: 1}}",
        "spec.sessionAffinityConfig: sessionAffinity is None;"
        " leave it out, or give sessionAffinity ClientIP",
        id="affinity without affinity",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  sessionAffinity: ClientIP\n"
        "  sessionAffinityConfig: {clientIP: {timeoutSeconds: §86401}}",
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is out of range;"
        " give 1 to 86400 seconds",
        id="affinity timeout",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  loadBalancerSourceRanges: §[10.0.0.0/8]",
        "spec.loadBalancerSourceRanges: only for type LoadBalancer; leave it out",
        id="source ranges of a ClusterIP Service",
    ),
    pytest.param(
        "type: LoadBalancer\n  ports: [{port: 80}]\n  loadBalancerSourceRanges: [§10.0.0.1]",
        "spec.loadBalancerSourceRanges[0]: '10.0.0.1' is no range in CIDR form;"
        " give an IPv4 range such as 10.244.0.0/16",
        id="source range",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  allocateLoadBalancerNodePorts: §false",
        "spec.allocateLoadBalancerNodePorts: only for type LoadBalancer; leave it out",
        id="allocateLoadBalancerNodePorts",
    ),
    pytest.param(
        "ports: [{port: 80}]\nstatus: {loadBalancer: {ingress: §[{ip: 203.0.113.1}]}}",
        "status.loadBalancer.ingress: only for type LoadBalancer; leave it out",
        id="ingress of a ClusterIP Service",
    ),
    pytest.param(
        "type: LoadBalancer\n  ports: [{port: 80}]\nstatus: {loadBalancer: {ingress: [§{}]}}",
        "status.loadBalancer.ingress[0]: an ingress without an address; give ip",
        id="empty ingress",
    ),
    pytest.param(
        "type: LoadBalancer\n  ports: [{port: 80}]\n"
        "status: {loadBalancer: {ingress: [{ip: §1.2.3}]}}",
        "status.loadBalancer.ingress[0].ip: '1.2.3' is no address;"
        " give an IPv4 address such as 192.168.0.7",
        id="ingress address",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  selector: {app: §yes}",
        'spec.selector.app: found the boolean yes; write it in quotes: "yes"',
        id="selector that YAML reads as a boolean",
    ),
    pytest.param(
        "ports: [{port: 80}]\n  selector: {app: §a b}",
        "spec.selector.app: 'a b' is no label value; give letters, digits, '-', '_' and '.', a"
        " letter or digit at both ends, at most 63 characters, or nothing",
        id="selector value",
    ),
]


@pytest.mark.parametrize(("spec", "problem"), SERVICES)
def test_service(spec: str, problem: str) -> None:
    service = f"apiVersion: v1\nkind: Service\nmetadata: {{name: other}}\nspec:\n  {spec}\n"
    assert_one_error(LAB + WEB + service, problem)


PODS = [
    pytest.param(
        "{name: §Web}",
        "{containers: [{name: c}]}",
        "metadata.name: 'Web' is no Pod name; give lower-case letters, digits, '-' and '.', a"
        " letter or digit at both ends, at most 253 characters",
        id="name",
    ),
    pytest.param(
        "§{labels: {}}",
        "{containers: [{name: c}]}",
        "metadata.name: required; give the object a name",
        id="no name",
    ),
    pytest.param(
        "{name: a, namespace: §a.b}",
        "{containers: [{name: c}]}",
        "metadata.namespace: 'a.b' is no Namespace name; give lower-case letters, digits and '-',"
        " a letter or digit at both ends, at most 63 characters",
        id="namespace",
    ),
    pytest.param(
        "{name: a, labels: {§a/b/c: d}}",
        "{containers: [{name: c}]}",
        "metadata.labels[a/b/c]: 'a/b/c' is no label key; give a DNS name before the '/'",
        id="label key",
    ),
    pytest.param(
        "{name: a, labels: {version: §1.10}}",
        "{containers: [{name: c}]}",
        'metadata.labels.version: found the number 1.10; write it in quotes: "1.10"',
        id="label that YAML reads as a number",
    ),
    pytest.param(
        "{name: a, annotations: {labkit.dev/ready: §nope}}",
        "{containers: [{name: c}]}",
        'metadata.annotations[labkit.dev/ready]: found \'nope\'; give "true" or "false"',
        id="ready",
    ),
    pytest.param(
        "{name: a, annotations: {§labkit.dev/redy: 'false'}}",
        "{containers: [{name: c}]}",
        "metadata.annotations[labkit.dev/redy]: labkit has no such annotation;"
        " did you mean labkit.dev/ready? there are: labkit.dev/ready",
        id="annotation",
    ),
    pytest.param(
        "{name: a}",
        "§{nodeName: node1}",
        "spec.containers: required; list at least one container",
        id="no containers",
    ),
    pytest.param(
        "{name: a}",
        "{nodeName: §nod1, containers: [{name: c}]}",
        "spec.nodeName: there is no node 'nod1' in this lab;"
        " did you mean node1? there are: node1, node2",
        id="nodeName",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c}, {name: §c}]}",
        "spec.containers[1].name: the name c is there twice; name each container differently",
        id="container twice",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: §c_d}]}",
        "spec.containers[0].name: 'c_d' is no container name; give lower-case letters, digits and"
        " '-', a letter or digit at both ends, at most 63 characters",
        id="container name",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, ports: [{containerPort: §65536}]}]}",
        "spec.containers[0].ports[0].containerPort: 65536 is no port;"
        " give a port between 1 and 65535",
        id="containerPort",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, ports: [{name: §sixteen-letters-, containerPort: 1}]}]}",
        "spec.containers[0].ports[0].name: 'sixteen-letters-' is no port name; give lower-case"
        " letters, digits and single '-' inside, one letter at least, at most 15 characters",
        id="port name",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, ports: [{name: p, containerPort: 1},"
        " {name: §p, containerPort: 2}]}]}",
        "spec.containers[0].ports[1].name: the name p is there twice; name each port differently",
        id="port name twice",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, ports: [{containerPort: 80, hostPort: §70000}]}]}",
        "spec.containers[0].ports[0].hostPort: 70000 is no port; give a port between 1 and 65535",
        id="hostPort",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, ports: [{containerPort: 80, hostPort: 80, hostIP: §here}]}]}",
        "spec.containers[0].ports[0].hostIP: 'here' is no address; give an IPv4 address such"
        " as 192.168.0.7",
        id="hostIP",
    ),
    pytest.param(
        "{name: a}",
        "{hostNetwork: true, containers: [{name: c, ports: [{containerPort: 80, hostPort: §81}]}]}",
        "spec.containers[0].ports[0].hostPort: 81 is not the containerPort of a hostNetwork pod;"
        " give 80, or leave it out",
        id="hostPort of a hostNetwork pod",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c, env: [{name: §a=b}]}]}",
        "spec.containers[0].env[0].name: 'a=b' is no name of a variable;"
        " give printable characters without '='",
        id="env",
    ),
    pytest.param(
        "{name: a}",
        "{containers: §c}",
        "spec.containers: found the text 'c'; give a list: [{…}]",
        id="containers is no list",
    ),
    pytest.param(
        "{name: §web-1}",
        "{containers: [{name: c}]}",
        "metadata.name: Pod web-1 is taken at bad.yaml:10:18; give each object of a kind its own"
        " name",
        id="name twice",
    ),
    pytest.param(
        "{name: §client}",
        "{containers: [{name: c}]}",
        "metadata.name: the pod name client is taken at bad.yaml:6:20;"
        " name pods, nodes and clients differently",
        id="name of a client",
    ),
    pytest.param(
        "{name: a}",
        "{containers: [{name: c}]}\nstatus: {podIP: §10.244.1}",
        "status.podIP: '10.244.1' is no address; give an IPv4 address such as 192.168.0.7",
        id="podIP",
    ),
]


@pytest.mark.parametrize(("metadata", "spec", "problem"), PODS)
def test_pod(metadata: str, spec: str, problem: str) -> None:
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {spec}\n"
    assert_one_error(LAB + WEB + pod, problem)


def test_pods_on_the_host_network_of_one_node_cannot_share_a_port() -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec:\n  nodeName: {}\n"
        "  hostNetwork: true\n  containers: [{{name: c, ports: [{{containerPort: {}}}]}}]\n---\n"
    )
    load_text(LAB + pod.format("a", "node1", 80) + pod.format("b", "node2", 80))
    assert_one_error(
        LAB + pod.format("a", "node1", 80) + pod.format("b", "node1", "§80"),
        "spec.containers[0].ports[0].containerPort: port 80 TCP of node node1 is taken at"
        " bad.yaml:14:50; pods share their node's ports",
    )


def test_a_host_port_is_had_once_on_each_address_of_a_node() -> None:
    def pods(*ports: str) -> str:
        head = "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{}}}\nspec:\n  nodeName: node1\n"
        body = "  containers: [{{name: c, ports: [{{containerPort: 80, {}}}]}}]\n---\n"
        return LAB + "".join((head + body).format(n, port) for n, port in enumerate(ports))

    taken = (
        "spec.containers[0].ports[0].hostPort: port 80 TCP of node node1 is taken at"
        " bad.yaml:13:64; pods share their node's ports"
    )
    load_text(pods("hostPort: 80, hostIP: 127.0.0.1", "hostPort: 80, hostIP: 192.168.0.1"))
    load_text(pods("hostPort: 80", "hostPort: 80, protocol: UDP"))
    assert_one_error(pods("hostPort: 80", "hostPort: §80, hostIP: 192.168.0.1"), taken)
    assert_one_error(
        pods("hostPort: 80, hostIP: 127.0.0.1", "hostPort: §80, hostIP: 0.0.0.0"), taken
    )


WORKLOADS = [
    pytest.param(
        "{replicas: §-1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}},"
        " spec: {containers: [{name: c}]}}}",
        "spec.replicas: -1 is out of range; give 0 to 10000",
        id="replicas",
    ),
    pytest.param(
        "§{template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}",
        "spec.selector: required; give matchLabels that the template's labels have",
        id="no selector",
    ),
    pytest.param(
        "{selector: §{}, template: {spec: {containers: [{name: c}]}}}",
        "spec.selector: selects everything; give matchLabels that the template's labels have",
        id="empty selector",
    ),
    pytest.param(
        "{selector: §{matchLabels: {a: b}}, template: {metadata: {labels: {a: c}},"
        " spec: {containers: [{name: c}]}}}",
        "spec.selector: it does not select the template's own pods;"
        " give the template the labels that the selector asks for",
        id="selector of other pods",
    ),
    pytest.param(
        "{selector: §{matchExpressions: [{key: a, operator: In, values: [x]}]},"
        " template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}",
        "spec.selector: it does not select the template's own pods;"
        " give the template the labels that the selector asks for",
        id="matchExpressions of other pods",
    ),
    pytest.param(
        "§{selector: {matchLabels: {a: b}}}",
        "spec.template: required; give a mapping of fields",
        id="no template",
    ),
]


@pytest.mark.parametrize(("spec", "problem"), WORKLOADS)
def test_deployment(spec: str, problem: str) -> None:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
    assert_one_error(f"{LAB}{head}spec: {spec}\n", problem)


@pytest.mark.parametrize("operator", ["{operator: Exists}", "{operator: NotIn, values: [x]}"])
def test_match_expressions_may_select_the_template(operator: str) -> None:
    load_text(
        LAB + "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: r}\nspec:\n"
        f"  selector: {{matchExpressions: [{{key: a, {operator[1:]}]}}\n"
        "  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}\n"
    )


def test_a_pod_named_like_a_replica_is_taken() -> None:
    workload = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: §web}\nspec:\n"
        "  selector: {matchLabels: {a: b}}\n"
        "  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}\n"
    )
    assert_one_error(
        LAB + WEB + workload,
        "metadata.name: the pod name web-1 is taken at bad.yaml:10:18;"
        " name pods, nodes and clients differently",
    )


SLICES = [
    pytest.param(
        "§{name: s}",
        "addressType: IPv4",
        "metadata.labels[kubernetes.io/service-name]: required; give the label with the Service's"
        " name",
        id="no label",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: §web}}",
        "addressType: IPv4",
        "metadata.labels[kubernetes.io/service-name]: Service web has a selector, so labkit makes"
        " its EndpointSlices; take the selector out of the Service, or leave this slice out",
        id="Service with a selector",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: §ipv4",
        "addressType: 'ipv4' is unknown; did you mean IPv4? there are: IPv4, IPv6, FQDN",
        id="addressType",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nendpoints: [{addresses: [§10.0.0]}]",
        "endpoints[0].addresses[0]: '10.0.0' is no address; give an IPv4 address",
        id="address",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nendpoints: [{addresses: [§fd00::1]}]",
        "endpoints[0].addresses[0]: fd00::1 is not IPv4; give an IPv4 address",
        id="address of the other family",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nendpoints: [{addresses: [§127.0.0.1]}]",
        "endpoints[0].addresses[0]: 127.0.0.1 is a loopback address;"
        " give an address that can be routed",
        id="loopback",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nendpoints: [{addresses: §[]}]",
        "endpoints[0].addresses: 0 addresses; give one address",
        id="no addresses",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: §node3}]",
        "endpoints[0].nodeName: there is no node 'node3' in this lab;"
        " did you mean node2? there are: node1, node2",
        id="nodeName",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nports: [{port: §0}]",
        "ports[0].port: 0 is no port; give a port between 1 and 65535",
        id="port",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nports: [{name: a, port: 1}, {name: §a, port: 2}]",
        "ports[1].name: the name 'a' is there twice; name each port differently",
        id="port name twice",
    ),
    pytest.param(
        "{name: s, labels: {kubernetes.io/service-name: x}}",
        "addressType: IPv4\nports: [{name: §A, port: 1}]",
        "ports[0].name: 'A' is no port name; give lower-case letters, digits and '-', a letter or"
        " digit at both ends, at most 63 characters",
        id="port name",
    ),
]


@pytest.mark.parametrize(("metadata", "rest", "problem"), SLICES)
def test_endpoint_slice(metadata: str, rest: str, problem: str) -> None:
    head = f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {metadata}\n{rest}\n"
    assert_one_error(LAB + WEB + SERVICE + head, problem)


def test_cluster_ips_and_node_ports_belong_to_one_service() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\nspec: {}\n---\n"
    one = service.format("a", "{clusterIP: 10.96.0.9, ports: [{port: 1}]}")
    assert_one_error(
        LAB + one + service.format("b", "{clusterIP: §010.096.000.009, ports: [{port: 1}]}"),
        "spec.clusterIP: clusterIP 10.96.0.9 is taken at bad.yaml:11:19;"
        " give each Service its own, or leave it out",
    )
    port = "{type: NodePort, ports: [{port: 1, nodePort: 30001, protocol: TCP}]}"
    other = port.replace("30001", "§30001")
    assert_one_error(
        LAB + service.format("a", port) + service.format("b", other),
        "spec.ports[0].nodePort: nodePort 30001 TCP is taken at bad.yaml:11:52;"
        " give each its own, or leave it out",
    )
    load_text(LAB + service.format("a", port) + service.format("b", port.replace("TCP", "UDP")))


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: l}\nspec: {nods: []}\n---\n"
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: C}]}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{}, {port: 0}]}\n"
    )
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in errors(text)] == [
        "bad.yaml:4:8 spec.nods",
        "bad.yaml:9:28 spec.containers[0].name",
        "bad.yaml:14:16 spec.ports[0].port",
    ]


def test_a_broken_object_is_still_known_by_its_name() -> None:
    broken = WEB.replace("name: http", "name: [http]")
    check = (
        "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\nspec:\n  from: web-1\n"
        "  to: {pod: web-1, port: http}\n  expect: {backends: [web-1]}\n"
    )
    assert len(errors(LAB + broken + check)) == 1
