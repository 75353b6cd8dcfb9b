"""What is known of a real kube-proxy by its version and mode."""

from __future__ import annotations

import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import RealKubeProxy
from labkit.probe.compare import question
from labkit.probe.plan import flows
from labkit.semantics.causes import Side, reason
from labkit.semantics.predict import predict
from labkit.semantics.traits import TRAITS, Trait, traits_of
from tests.many_policies import VARIANTS, every_policy
from tests.unit.semantics.as_predicted import seen

OLD = RealKubeProxy(version="v1.20.2", mode="iptables")


def traits(version: str, mode: str = "iptables") -> frozenset[Trait]:
    return traits_of("kube-proxy", RealKubeProxy(version=version, mode=mode))


@pytest.mark.parametrize("mode", ["iptables", "ipvs", "nftables"])
@pytest.mark.parametrize("version", ["v1.30.0", "v1.36.0-rc.1+abc", "v2.0.0"])
def test_a_new_one_has_the_traits_of_its_mode(version: str, mode: str) -> None:
    assert traits(version, mode) == TRAITS[mode]


def test_one_whose_version_nobody_knows_is_as_new_as_labkits_own_rules() -> None:
    assert traits_of("kube-proxy") == TRAITS["iptables"]


@pytest.mark.parametrize(
    ("trait", "last", "first"),
    [
        (Trait.EXTERNAL_IPS_FOR_OUTSIDERS, "v1.20.15", "v1.21.0"),
        (Trait.IGNORES_INTERNAL_POLICY, "v1.21.14", "v1.22.0"),
        (Trait.IGNORES_HINTS, "v1.23.17", "v1.24.0"),
        (Trait.LETS_DROPPED_CALLS_GO, "v1.24.17", "v1.25.0"),
        (Trait.IGNORES_TERMINATING, "v1.25.16", "v1.26.0"),
        (Trait.IGNORES_IP_MODE, "v1.29.14", "v1.30.0"),
    ],
)
def test_a_trait_of_old_ones_ends_with_a_release(trait: Trait, last: str, first: str) -> None:
    assert trait in traits(last)
    assert trait not in traits(first)


def test_old_ones_in_ipvs_mode_hang_on_localhost_and_do_not_fall_back() -> None:
    assert Trait.HANGS_ON_LOCALHOST in traits("v1.21.0", "ipvs")
    assert Trait.HANGS_ON_LOCALHOST not in traits("v1.22.0", "ipvs") | traits("v1.20.0")
    assert Trait.FALLS_BACK not in traits("v1.23.0", "ipvs")
    assert Trait.FALLS_BACK in traits("v1.24.0", "ipvs")


def test_old_ones_drop_on_the_addresses_that_they_serve() -> None:
    assert Trait.DROPS_ANYWHERE not in traits("v1.24.0")
    assert Trait.DROPS_ANYWHERE in traits("v1.25.0")


@pytest.mark.parametrize("variant", VARIANTS)
def test_whatever_an_upgrade_changes_has_a_name(variant: str) -> None:
    cluster = build_cluster(every_policy(**VARIANTS[variant]))
    before, after = traits_of("kube-proxy", OLD), traits_of("iptables")
    named: set[Trait] = set()
    for asked in flows(cluster, None):
        flow = question(cluster, asked)
        if flow is None:
            continue
        one, other = predict(cluster, flow, before), predict(cluster, flow, after)
        assert one is not None
        assert other is not None
        if one != other:
            sides = Side(traits=before, seen=seen(one)), Side(traits=after, seen=seen(other))
            found = reason(cluster, flow, *sides)
            assert found.deviations, f"{asked}: {one} and {other}"
            named |= {each.trait for each in found.deviations}
    assert {
        Trait.EXTERNAL_IPS_FOR_OUTSIDERS,
        Trait.IGNORES_INTERNAL_POLICY,
        Trait.IGNORES_IP_MODE,
    } <= named
