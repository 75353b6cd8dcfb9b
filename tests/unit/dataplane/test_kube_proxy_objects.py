"""What kube-proxy is told of a cluster, object by object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import (
    Endpoint,
    Ingress,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy import objects
from tests.unit.dataplane.clusters import CLUSTER_IP, HERE, LB_IP, NODE1, P80, THERE, cluster

WEB = Service(key=ObjectName("default", "web"), cluster_ip=CLUSTER_IP, ports=(P80,))


def slices(service: Service, *endpoints: Endpoint) -> list[objects.Json]:
    return list(objects.endpoint_slices(cluster(service, endpoints=endpoints), service))


def addresses(slice_: objects.Json) -> Sequence[str]:
    return [endpoint["addresses"][0] for endpoint in slice_["endpoints"]]


def test_a_service_has_what_the_api_server_would_default() -> None:
    port = replace(P80, node_port=None)
    spec = objects.service_object(replace(WEB, ports=(port,)))["spec"]
    assert spec == {
        "type": "ClusterIP",
        "clusterIP": str(CLUSTER_IP),
        "clusterIPs": [str(CLUSTER_IP)],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"name": "p80", "protocol": "TCP", "port": 80, "targetPort": 80}],
        "sessionAffinity": "None",
    }


def test_client_affinity_never_comes_without_its_timeout() -> None:
    spec = objects.service_object(replace(WEB, affinity_timeout_s=99))["spec"]
    assert spec["sessionAffinity"] == "ClientIP"
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 99}}


def test_a_balanced_service_says_all_that_is_seen_from_outside() -> None:
    service = replace(
        WEB,
        type=ServiceType.LOAD_BALANCER,
        ingress=(Ingress(ip=LB_IP),),
        source_ranges=(IPv4Network("203.0.113.0/24"),),
        external_traffic_policy=TrafficPolicy.LOCAL,
        health_check_node_port=32000,
    )
    found = objects.service_object(service)
    assert found["status"] == {"loadBalancer": {"ingress": [{"ip": str(LB_IP), "ipMode": "VIP"}]}}
    assert found["spec"]["externalTrafficPolicy"] == "Local"
    assert found["spec"]["healthCheckNodePort"] == 32000
    assert found["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]
    assert found["spec"]["allocateLoadBalancerNodePorts"] is True


def test_only_the_endpoints_of_a_headless_service_are_labelled_so() -> None:
    headless = replace(WEB, cluster_ip=None)
    (slice_,) = slices(headless, HERE)
    assert slice_["metadata"]["labels"][objects.HEADLESS_LABEL] == ""
    assert objects.service_object(headless)["spec"]["clusterIPs"] == ["None"]
    assert "labels" not in objects.service_object(headless)["metadata"]
    assert objects.HEADLESS_LABEL not in slices(WEB, HERE)[0]["metadata"]["labels"]


def test_a_name_outside_has_no_address() -> None:
    service = Service(
        key=WEB.key, type=ServiceType.EXTERNAL_NAME, external_name="example.com", ports=()
    )
    assert objects.service_object(service)["spec"] == {
        "type": "ExternalName",
        "externalName": "example.com",
        "sessionAffinity": "None",
    }


def test_ports_of_slices_are_named_as_those_of_the_service() -> None:
    dns = ServicePort(name="dns", protocol=Protocol.UDP, port=53, target_port=53)
    service = replace(WEB, ports=(P80, dns))
    (slice_,) = slices(service, HERE, THERE)
    assert slice_["ports"] == [
        {"name": "p80", "port": 80, "protocol": "TCP"},
        {"name": "dns", "port": 80, "protocol": "UDP"},
    ]
    assert slice_["metadata"]["labels"][objects.SERVICE_NAME_LABEL] == "web"


def test_endpoints_on_other_ports_are_in_another_slice() -> None:
    found = slices(WEB, HERE, replace(THERE, port=8080))
    assert [each["ports"][0]["port"] for each in found] == [80, 8080]
    assert [addresses(each) for each in found] == [[str(HERE.address)], [str(THERE.address)]]


def test_one_address_with_two_numbers_for_a_name_is_in_two_slices() -> None:
    found = slices(WEB, HERE, replace(HERE, port=8080))
    assert [(addresses(each), each["ports"][0]["port"]) for each in found] == [
        ([str(HERE.address)], 80),
        ([str(HERE.address)], 8080),
    ]


def test_no_slice_has_more_than_a_hundred_endpoints() -> None:
    many = [replace(HERE, address=IPv4Address("10.180.1.2") + n) for n in range(101)]
    found = slices(WEB, *many)
    assert [len(each["endpoints"]) for each in found] == [100, 1]
    assert len({each["metadata"]["name"] for each in found}) == 2


def test_an_endpoint_says_its_node_zone_pod_and_hints() -> None:
    hinted = replace(HERE, zone_hints=frozenset({"b", "a"}), node_hints=frozenset({"node1"}))
    (slice_,) = slices(WEB, hinted)
    assert slice_["endpoints"] == [
        {
            "addresses": [str(HERE.address)],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "web-1"},
            "nodeName": "node1",
            "zone": "zone1",
            "hints": {"forZones": [{"name": "a"}, {"name": "b"}], "forNodes": [{"name": "node1"}]},
        }
    ]


def test_v1beta1_says_the_node_as_topology() -> None:
    (slice_,) = objects.old_endpoint_slices(cluster(WEB, endpoints=(HERE,)), WEB)
    assert slice_["apiVersion"] == "discovery.k8s.io/v1beta1"
    (endpoint,) = slice_["endpoints"]
    assert endpoint["topology"] == {
        "kubernetes.io/hostname": "node1",
        "topology.kubernetes.io/zone": "zone1",
    }
    assert "nodeName" not in endpoint


def test_endpoints_that_end_are_in_slices_alone() -> None:
    unready = replace(HERE, ready=False, serving=False)
    ending = replace(THERE, ready=False, terminating=True)
    known = cluster(WEB, endpoints=(unready, ending))
    (subset,) = objects.endpoints_object(known, WEB)["subsets"]
    assert "addresses" not in subset
    assert [each["ip"] for each in subset["notReadyAddresses"]] == [str(HERE.address)]
    assert addresses(slices(WEB, unready, ending)[0]) == [str(HERE.address), str(THERE.address)]


def test_a_node_has_its_address_pod_range_and_zone() -> None:
    found = objects.node_object(NODE1)
    assert found["spec"]["podCIDR"] == str(NODE1.pod_cidr)
    assert found["status"]["addresses"][0] == {
        "type": "InternalIP",
        "address": str(NODE1.address),
    }
    assert found["metadata"]["labels"][objects.ZONE_LABEL] == "zone1"


def test_the_service_range_is_an_object_of_its_own() -> None:
    known = cluster(WEB)
    assert objects.service_cidr(known)["spec"] == {"cidrs": [str(known.network.service_cidr)]}


def test_every_object_is_json_and_the_same_each_time() -> None:
    known = cluster(WEB)

    def text() -> str:
        found = [objects.service_object(WEB), *objects.endpoint_slices(known, WEB)]
        return json.dumps([*found, objects.node_object(NODE1), objects.service_cidr(known)])

    assert text() == text()
