"""What a Lab's `kubeProxy` becomes on kube-proxy's command line, and what programs say of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from labkit.cluster.model import DetectLocalMode, KubeProxy
from labkit.dataplane.kube_proxy.flags import check, command
from labkit.dataplane.kube_proxy.program import Program, read
from labkit.errors import UsageError
from tests.unit.dataplane.clusters import CONFIG, NODE1, cluster

OLD_HELP = """The Kubernetes network proxy runs on each node.

Usage:
  kube-proxy [flags]

Flags:
      --cluster-cidr string                The CIDR range of pods in the cluster.
      --conntrack-max-per-core int32       Maximum number of NAT connections to track per CPU core
      --detect-local-mode LocalMode        Mode to use to detect local traffic
  -h, --help                               help for kube-proxy
      --ipvs-min-sync-period duration      The minimum interval
      --masquerade-all                     If using the pure iptables proxy, SNAT all traffic
      --nodeport-addresses strings         see --bind-address for more
      --proxy-mode ProxyMode               Which proxy mode to use: 'userspace' (older) or 'iptables' or 'ipvs'
"""  # noqa: E501 - as it prints it
NEW_FLAGS = """
      --conntrack-tcp-be-liberal           ...
      --iptables-localhost-nodeports       If false, ...
      --iptables-masquerade-bit int32      ...
      --ipvs-scheduler string              ...
      --ipvs-strict-arp                    ...
      --pod-bridge-interface string        ...
      --pod-interface-name-prefix string   ...
"""
NEW_HELP = OLD_HELP.replace("or 'ipvs'", "or 'ipvs'\n          or 'nftables'") + NEW_FLAGS
OLD = read(Path("/old"), "Kubernetes v1.20.2\n", OLD_HELP)
NEW = read(Path("/new"), "Kubernetes v1.36.0-rc.1+abc\n", NEW_HELP)


def flags(config: KubeProxy, program: Program = NEW, mode: str = "iptables") -> list[str]:
    return command(program, cluster(config=config), NODE1, mode, 1234)


def test_a_program_is_what_it_says() -> None:
    assert (OLD.version, OLD.release) == ("v1.20.2", (1, 20))
    assert (NEW.version, NEW.release) == ("v1.36.0-rc.1+abc", (1, 36))
    assert OLD.modes == {"userspace", "iptables", "ipvs"}
    assert NEW.modes - OLD.modes == {"nftables"}
    assert read(Path("/x"), "Kubernetes v1.30.1", OLD_HELP).modes - OLD.modes == {"nftables"}
    assert "help" in OLD.flags
    assert NEW.flags - OLD.flags == {
        "conntrack-tcp-be-liberal",
        "iptables-localhost-nodeports",
        "iptables-masquerade-bit",
        "ipvs-scheduler",
        "ipvs-strict-arp",
        "pod-bridge-interface",
        "pod-interface-name-prefix",
    }


def test_the_node_the_mode_and_the_server_are_said() -> None:
    found = flags(CONFIG, mode="ipvs")

    assert found[0] == "/new"
    assert {
        "--hostname-override=node1",
        "--proxy-mode=ipvs",
        "--master=http://127.0.0.1:1234",
        "--conntrack-max-per-core=0",
        "--ipvs-min-sync-period=0s",
        "--cluster-cidr=10.0.0.0/8",
    } <= set(found)


def test_a_flag_that_a_version_lost_is_not_given() -> None:
    assert not any("kube-api-content-type" in each for each in flags(CONFIG))


def test_what_is_as_kube_proxy_has_it_is_not_said() -> None:
    plain = set(flags(replace(CONFIG, cluster_cidr=None)))

    assert set(flags(CONFIG)) - plain == {"--cluster-cidr=10.0.0.0/8"}
    for word in ("detect", "masquerade", "nodeport", "scheduler", "strict", "pod-"):
        assert not any(word in each for each in plain)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            KubeProxy(
                cluster_cidr=None,
                node_port_addresses=(IPv4Network("127.0.0.0/8"), IPv4Network("192.168.0.0/24")),
            ),
            "--nodeport-addresses=127.0.0.0/8,192.168.0.0/24",
        ),
        (
            KubeProxy(cluster_cidr=None, detect_local_mode=DetectLocalMode.NODE_CIDR),
            "--detect-local-mode=NodeCIDR",
        ),
        (KubeProxy(cluster_cidr=None, bridge_interface="cni0"), "--pod-bridge-interface=cni0"),
        (
            KubeProxy(cluster_cidr=None, interface_name_prefix="veth"),
            "--pod-interface-name-prefix=veth",
        ),
        (KubeProxy(cluster_cidr=None, masquerade_all=True), "--masquerade-all=true"),
        (KubeProxy(cluster_cidr=None, masquerade_bit=3), "--iptables-masquerade-bit=3"),
        (
            KubeProxy(cluster_cidr=None, localhost_node_ports=False),
            "--iptables-localhost-nodeports=false",
        ),
        (KubeProxy(cluster_cidr=None, ipvs_scheduler="lc"), "--ipvs-scheduler=lc"),
        (KubeProxy(cluster_cidr=None, ipvs_strict_arp=True), "--ipvs-strict-arp=true"),
        (KubeProxy(cluster_cidr=None, tcp_be_liberal=True), "--conntrack-tcp-be-liberal=true"),
    ],
)
def test_each_field_has_its_flag(config: KubeProxy, expected: str) -> None:
    plain = set(flags(KubeProxy(cluster_cidr=None)))

    assert set(flags(config)) - plain == {expected}


@pytest.mark.parametrize(
    ("config", "mode", "said"),
    [
        (
            replace(CONFIG, localhost_node_ports=False),
            "iptables",
            (
                "spec.kubeProxy.iptables.localhostNodePorts: kube-proxy v1.20.2 has no "
                "--iptables-localhost-nodeports; leave the field out, or name one: --kube-proxy"
            ),
        ),
        (CONFIG, "nftables", "kube-proxy v1.20.2 has no mode nftables"),
    ],
)
def test_what_a_version_does_not_know_is_said(config: KubeProxy, mode: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        check(OLD, cluster(config=config), mode)

    assert said in str(raised.value)
