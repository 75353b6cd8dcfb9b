"""What doctor says is what the kernel does, and asking changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from labkit.errors import CommandError, MissingFeature, UsageError
from labkit.kernel import features, netfilter
from labkit.kernel.netns import Edge, Namespace
from tests.lab import host

ADD_LINK = ("ip", "link", "add")
TOOLS = {
    "iptables nft": ["iptables-nft", "-A", "INPUT", "-j", "ACCEPT"],
    "iptables legacy": ["iptables-legacy", "-A", "INPUT", "-j", "ACCEPT"],
    "recent match": ["iptables", "-A", "INPUT", "-m", "recent", "--set"],
    "masquerade": [
        *("iptables", "-t", "nat", "-A", "POSTROUTING"),
        *("-j", "MASQUERADE", "--random-fully"),
    ],
    "nftables": ["nft", "add table ip t; add map ip t m { type ipv4_addr : verdict ; }"],
    "ipset": ["ipset", "create", "s", "hash:ip,port,ip"],
    "vxlan": [*ADD_LINK, "vx0", "type", "vxlan", "id", "7", "dstport", "8472"],
    "dummy": [*ADD_LINK, "dummy0", "type", "dummy"],
    "macvlan": [*ADD_LINK, "mac0", "link", "veth0", "type", "macvlan"],
    "ip_vs": ["test", "-e", "/proc/net/ip_vs"],
    "netem": ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"],
}
"""Another way to find the same out: the tools that a person would use."""


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with Edge() as made:
        try:
            made.namespace("a try").close()
        except MissingFeature as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def namespace(edge: Edge) -> Iterator[Namespace]:
    made = edge.namespace("scratch")
    made.execute(["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"])
    yield made
    made.close()


def works(namespace: Namespace, argv: list[str]) -> bool:
    try:
        namespace.execute(argv)
    except CommandError:
        return False
    return True


@pytest.mark.parametrize("name", TOOLS)
def test_a_feature_is_there_if_the_tool_for_it_works(
    edge: Edge, namespace: Namespace, name: str
) -> None:
    found = features.feature(edge, name)

    assert found.available == works(namespace, TOOLS[name]), found


def test_asking_for_everything_changes_nothing(edge: Edge) -> None:
    features.probe_features(edge)  # a module that a first question loads may bring sysctls
    before = host.snapshot()

    found = features.probe_features(edge)

    assert host.snapshot() == before
    assert [each.name for each in found] == list(features.FEATURES)
    assert all(each.found and each.remedy for each in found)


def test_what_is_missing_has_a_reason_of_one_line(edge: Edge) -> None:
    for each in features.probe_features(edge):
        assert "\n" not in each.found


def test_an_unknown_feature_gets_a_suggestion(edge: Edge) -> None:
    with pytest.raises(UsageError, match="feature 'brige' is unknown; did you mean bridge"):
        features.feature(edge, "brige")


def test_without_privilege_the_remedy_is_root() -> None:
    program = (
        "from labkit.kernel.features import feature\n"
        "from labkit.kernel.netns import Edge\n"
        "with Edge() as edge:\n"
        "    print(feature(edge, 'veth'))\n"
    )
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set", "-all", "--inh-caps", "-all"),
            *(sys.executable, "-c", program),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "available=False" in done.stdout
    assert "run as root, or with --rootless" in done.stdout


def test_nfacct_counters_are_made_once(edge: Edge, namespace: Namespace) -> None:
    if not (found := features.feature(edge, "nfacct match")).available:
        pytest.skip(f"{found.found}; {found.remedy}")
    netfilter.ensure_nfacct(namespace, ["seen", "dropped"])
    netfilter.ensure_nfacct(namespace, ["seen", "more"])

    for name in ("seen", "dropped", "more"):
        namespace.execute(
            ["iptables", "-A", "INPUT", "-m", "nfacct", "--nfacct-name", name, "-j", "ACCEPT"]
        )
    assert not works(
        namespace,
        ["iptables", "-A", "INPUT", "-m", "nfacct", "--nfacct-name", "never", "-j", "ACCEPT"],
    )
