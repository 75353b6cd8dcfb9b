"""One transaction turns one nftables ruleset into another, and names nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from labkit.cluster.model import Cluster, Service
from labkit.dataplane.nftables.changes import replacement, transaction
from labkit.dataplane.nftables.names import port_base
from labkit.dataplane.nftables.render import render
from labkit.dataplane.nftables.rules import NftRuleset
from tests.unit.dataplane.clusters import HERE, NODE1, THERE, WEB, cluster
from tests.unit.dataplane.nft_kernel import Kernel, Refused
from tests.unit.dataplane.strategies import clusters
from tests.unit.dataplane.test_updates import OTHER, with_endpoints

BRIEF = settings(deadline=None, max_examples=50)
"""A busy machine is no reason to fail."""
STICKY = replace(WEB, affinity_timeout_s=60)


def rules(lab: Cluster) -> NftRuleset:
    return render(lab, NODE1)


def installed(lab: Cluster) -> Kernel:
    kernel = Kernel()
    kernel.load(rules(lab).text())
    return kernel


def own(service: Service) -> str:
    return port_base(service.port_name(service.ports[0]), service.ports[0].protocol)


@BRIEF
@given(old=clusters(), new=clusters())
def test_a_transaction_leaves_what_a_fresh_install_leaves(old: Cluster, new: Cluster) -> None:
    kernel = installed(old)

    kernel.load(transaction(rules(old), rules(new)))

    assert kernel.tables == installed(new).tables


@BRIEF
@given(clusters())
def test_nothing_is_said_of_what_is_the_same(lab: Cluster) -> None:
    assert not transaction(rules(lab), rules(lab))


@BRIEF
@given(old=clusters(), new=clusters())
def test_a_replacement_leaves_what_a_fresh_install_leaves(old: Cluster, new: Cluster) -> None:
    kernel = installed(old)

    kernel.load(replacement(rules(old), rules(new)))

    assert kernel.tables == installed(new).tables


def test_the_tests_own_kernel_refuses_what_the_real_one_does() -> None:
    for wrong in (
        "delete chain ip kube-proxy reject-chain",
        "delete set ip kube-proxy cluster-ips",
        "add rule ip kube-proxy services goto nowhere",
        "add element ip kube-proxy service-nodeports { tcp . 1 : goto nowhere }",
        "delete element ip kube-proxy service-nodeports { tcp . 1 }",
        "add chain ip nowhere services",
    ):
        kernel = installed(cluster(WEB, endpoints=()))
        with pytest.raises(Refused):
            kernel.load(f"{wrong}\n")


# --- what a change names ---


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(cluster(OTHER), id="removed"),
        pytest.param(with_endpoints(cluster(OTHER, WEB), WEB), id="no endpoint left"),
        pytest.param(with_endpoints(cluster(OTHER, WEB), WEB, HERE), id="an endpoint less"),
        pytest.param(cluster(OTHER, STICKY), id="affinity"),
    ],
)
def test_a_change_names_no_other_service(after: Cluster) -> None:
    update = transaction(rules(cluster(OTHER, WEB)), rules(after))

    assert own(WEB) in update
    assert own(OTHER) not in update
    assert str(OTHER.cluster_ip) not in update


def test_an_endpoint_less_is_one_chain_and_no_map() -> None:
    before = cluster(OTHER, WEB)

    update = transaction(rules(before), rules(with_endpoints(before, WEB, HERE)))

    chain = f"ip kube-proxy service-{own(WEB)}"
    target = "{ 0 : 10.180.1.2 . 80 }"
    assert update.splitlines() == [
        f"flush chain {chain}",
        f"add rule {chain} meta l4proto tcp dnat ip to numgen random mod 1 map {target}",
    ]


def test_a_chain_is_there_before_what_leads_to_it_and_goes_after_it() -> None:
    chain = f"service-{own(WEB)}"
    more = transaction(rules(cluster()), rules(cluster(WEB)))
    less = transaction(rules(cluster(WEB)), rules(cluster()))

    assert more.index(f"add chain ip kube-proxy {chain}") < more.index(f": goto {chain}")
    assert less.index("delete element ip kube-proxy service-ips") < less.index(
        f"delete chain ip kube-proxy {chain}"
    )


def test_another_timeout_is_another_set_of_the_same_name() -> None:
    longer = replace(STICKY, affinity_timeout_s=120)

    update = transaction(rules(cluster(STICKY)), rules(cluster(longer)))

    lines = update.splitlines()
    deleted = [line for line in lines if line.startswith("delete set")]
    made = [line for line in lines if line.startswith("add set")]
    assert len(deleted) == len(made) == len({HERE, THERE})
    assert all("timeout 2m;" in line for line in made)
    # Rules that look into it are let go of, and come back.
    assert max(map(lines.index, deleted)) > max(
        number for number, line in enumerate(lines) if line.startswith("flush chain")
    )
    assert min(number for number, line in enumerate(lines) if "add rule" in line) > max(
        map(lines.index, made)
    )


def test_a_table_that_is_gone_is_deleted_and_a_new_one_comes_whole() -> None:
    plain = cluster(WEB)
    hidden = replace(plain, network=replace(plain.network, pod_masquerade=True))

    assert transaction(rules(hidden), rules(plain)) == "delete table ip cni\n"
    assert transaction(rules(plain), rules(hidden)).startswith("table ip cni {\n")
