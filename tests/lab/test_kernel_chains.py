"""Chains are seen as soon as they are there, and no longer than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.chains import Chains, LegacyChains, NftChains
from labkit.kernel.netns import Edge, Namespace

CHAIN = "KUBE-SVC-ABCDEFGHIJKLMNOP"


@pytest.fixture
def node() -> Iterator[Namespace]:
    with Edge() as edge:
        try:
            yield edge.namespace("node1")
        except MissingFeature as error:
            pytest.skip(str(error))


@pytest.mark.parametrize(
    ("backend", "of"),
    [
        pytest.param("nft", NftChains, marks=pytest.mark.labkit_needs("iptables nft")),
        pytest.param("legacy", LegacyChains, marks=pytest.mark.labkit_needs("iptables legacy")),
    ],
)
def test_a_chain_of_iptables_is_seen_while_it_is_there(
    node: Namespace, backend: str, of: Callable[[Namespace, str], Chains]
) -> None:
    command = f"iptables-{backend}"
    with closing(of(node, "nat")) as chains:
        assert not chains.has(CHAIN)
        node.execute([command, "-t", "nat", "-N", CHAIN])
        assert chains.has(CHAIN)
        assert not chains.has(CHAIN[:-1])
        node.execute([command, "-t", "filter", "-N", f"{CHAIN}2"])
        assert not chains.has(f"{CHAIN}2")
        node.execute([command, "-t", "nat", "-X", CHAIN])
        assert not chains.has(CHAIN)


@pytest.mark.labkit_needs("nftables")
def test_a_chain_of_nftables_is_seen_while_it_is_there(node: Namespace) -> None:
    name = "service-ABCDEFGH-default/web/tcp/http"
    with closing(NftChains(node, "kube-proxy")) as chains:
        assert not chains.has(name)
        node.execute(["nft", "-f", "-"], stdin=f"table ip kube-proxy {{ chain {name} {{ }}; }}")
        assert chains.has(name)
        node.execute(["nft", "delete", "table", "ip", "kube-proxy"])
        assert not chains.has(name)
