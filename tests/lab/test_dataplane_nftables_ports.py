"""Service ports that are installed by netlink: nft lists the same as of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster
from labkit.dataplane.base import Change
from labkit.dataplane.nftables import apply, assemble, ports
from labkit.dataplane.nftables.apply import NftablesPlane
from labkit.dataplane.nftables.changes import whole
from labkit.dataplane.nftables.ports import changed_ports, staged
from labkit.dataplane.nftables.rules import NftRuleset
from labkit.errors import KernelError
from labkit.kernel import nf_tables
from labkit.kernel.netlink import Request
from labkit.kernel.netns import Edge, Namespace
from tests.unit.dataplane.clusters import NODE1, WEB, cluster
from tests.unit.dataplane.nft_text import Table, read_tables
from tests.unit.dataplane.strategies import changed, clusters
from tests.unit.dataplane.test_updates import OTHER

pytestmark = pytest.mark.labkit_needs("nftables")

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    # Every example installs whole tables into an empty namespace.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PLANE = NftablesPlane()
ANONYMOUS = re.compile(r"set (__map\d+|__set\d+|[\w-]{7}) ")


@pytest.fixture
def node() -> Iterator[Namespace]:
    with Edge() as edge:
        yield edge.namespace("node1")


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install any number of Services as if there were very many."""
    monkeypatch.setattr(ports, "MANY", 1)
    monkeypatch.setattr(ports, "TRANSACTION_BYTES", 2000)
    monkeypatch.setattr(ports, "ELEMENTS", 2)


@pytest.fixture
def no_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    """See to it that netlink makes what it can, and nft does not step in."""

    def refuse(change: Change[NftRuleset]) -> str:
        pytest.fail(f"nft was asked to change {change.namespace.name}")

    monkeypatch.setattr(apply, "_text", refuse)


def listed(node: Namespace) -> Mapping[str, Table]:
    return read_tables(node.execute(["nft", "list", "ruleset"]))


def in_the_kernel(node: Namespace) -> Sequence[str]:
    """Every rule as the kernel has it: the name of its chain and its expressions, sorted."""
    said = node.execute(["nft", "--debug=netlink", "list", "ruleset"])
    rules: list[list[str]] = []
    for line in said[: said.index("table ip")].splitlines():
        match line.split():
            case ["ip", _, chain, *_]:
                rules.append([chain])
            case ["[", "lookup", *_]:
                rules[-1].append(ANONYMOUS.sub("set anonymous ", line))
            case ["[", *_]:
                rules[-1].append(line)
    return sorted("\n".join(rule) for rule in rules if len(rule) > 1)


def install(node: Namespace, rules: NftRuleset, previous: NftRuleset | None = None) -> None:
    PLANE.apply([Change(node, rules, previous)])


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("few_are_many")
@EXAMPLES
@given(clusters())
def test_a_large_ruleset_is_what_nft_makes_of_it(node: Namespace, lab: Cluster) -> None:
    rules = PLANE.render(lab, NODE1)
    node.execute(["nft", "-f", "-"], stdin=whole(rules))
    by_nft, expressions = listed(node), in_the_kernel(node)
    node.execute(["nft", "flush", "ruleset"])

    install(node, rules)

    assert (staged(rules) is not None) == bool(rules.services.by_port)
    assert listed(node) == by_nft
    assert in_the_kernel(node) == expressions
    node.execute(["nft", "flush", "ruleset"])


@pytest.mark.timeout(240)
@EXAMPLES
@given(st.data())
def test_changes_of_ports_leave_what_a_fresh_install_leaves(
    node: Namespace, data: st.DataObject
) -> None:
    lab = data.draw(clusters())
    before = PLANE.render(lab, NODE1)
    node.execute(["nft", "flush", "ruleset"])
    install(node, before)
    for _ in range(data.draw(st.integers(1, 3))):
        lab = replace(data.draw(changed(lab)), kube_proxy=lab.kube_proxy)
        after = PLANE.render(lab, NODE1, before)
        assert changed_ports(before, after) is not None

        install(node, after, before)

        assert listed(node) == read_tables(PLANE.render(lab, NODE1).text())
        before = after


def test_what_two_services_claim_is_the_last_ones_and_goes_with_both(node: Namespace) -> None:
    both = (replace(OTHER, external_ips=WEB.external_ips), WEB)
    first, last = ((service,) for service in both)
    before = PLANE.render(cluster(*both), NODE1)
    install(node, before)

    for services in (first, both, last, both, (), both):
        after = PLANE.render(cluster(*services), NODE1, before)
        assert changed_ports(before, after) is not None
        install(node, after, before)
        assert listed(node) == read_tables(PLANE.render(cluster(*services), NODE1).text())
        before = after


@pytest.mark.usefixtures("few_are_many")
def test_what_leads_to_the_rules_is_installed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Sequence[Request]] = []
    monkeypatch.setattr(nf_tables, "commit", lambda _, requests: sent.append(requests))
    with Edge() as edge:
        node = edge.namespace("node1")

        install(node, PLANE.render(cluster(WEB, OTHER), NODE1))

        chains = read_tables(node.execute(["nft", "list", "ruleset"]))["kube-proxy"]
        assert not [
            name for name, chain in chains.items() if "jump" in str(chain) and "nat-" in name
        ]
    whats = [[request.what for request in requests] for requests in sent]
    assert whats[-1][0] == "add rule filter-prerouting-pre-dnat"
    assert not [what for requests in whats[:-1] for what in requests if "filter-" in what]


@pytest.mark.usefixtures("few_are_many")
def test_a_large_ruleset_that_is_refused_leaves_nothing(
    node: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = PLANE.render(cluster(WEB, OTHER), NODE1)
    stage = staged(good)
    assert stage is not None
    wrong = [nf_tables.Table("kube-proxy").flush_chain("nowhere")]
    broken = stage._replace(transactions=[*stage.transactions, wrong])
    monkeypatch.setattr(apply, "staged", lambda _: broken)

    with pytest.raises(KernelError, match=r"node1: flush chain nowhere: No such file"):
        install(node, good)

    assert not node.execute(["nft", "list", "ruleset"])


def test_a_refused_change_of_ports_leaves_all_as_it_was(
    node: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = (PLANE.render(cluster(*some), NODE1) for some in ((WEB,), (WEB, OTHER)))
    install(node, before)
    good = changed_ports(before, after)
    assert good
    wrong = nf_tables.Table("kube-proxy").flush_chain("nowhere")
    monkeypatch.setattr(apply, "changed_ports", lambda *_: [*good, wrong])

    with pytest.raises(KernelError, match="flush chain nowhere"):
        install(node, after, before)

    assert listed(node) == read_tables(before.text())


@pytest.mark.usefixtures("no_nft")
@pytest.mark.parametrize("others", [10, 1000])
def test_a_changed_endpoint_costs_as_many_messages_among_many(
    others: int, node: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tuple(
        replace(
            OTHER,
            key=OTHER.key._replace(name=f"svc-{number}"),
            cluster_ip=OTHER.cluster_ip + number,
            ports=(replace(OTHER.ports[0], node_port=None),),
        )
        for number in range(1, others)
        if OTHER.cluster_ip
    )
    lab = cluster(*many, WEB)
    name = WEB.port_name(WEB.ports[0])
    fewer = replace(lab, endpoints={**lab.endpoints, name: lab.endpoints[name][:1]})
    before = PLANE.render(lab, NODE1)
    after = PLANE.render(fewer, NODE1, before)
    sent: list[Sequence[Request]] = []
    monkeypatch.setattr(nf_tables, "commit", lambda _, requests: sent.append(requests))

    install(node, after, before)

    (requests,) = sent
    assert [str(request.what).rpartition(" ")[0] for request in requests] == [
        "flush chain",
        "add set",
        "add elements of",
        "add rule",
    ]


@pytest.mark.usefixtures("few_are_many")
def test_two_sets_whose_names_have_the_same_hash_are_left_to_nft(
    node: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "short_name", lambda _: "same")
    before, after = (
        PLANE.render(cluster(*some), NODE1) for some in ((WEB, OTHER), (replace(WEB), OTHER))
    )

    install(node, before)
    assert listed(node) == read_tables(before.text())

    gone = PLANE.render(cluster(), NODE1)
    install(node, gone, before)
    install(node, after, gone)
    assert listed(node) == read_tables(after.text())
