"""Every name that can be given to a command about a lab, for shells and the prompt to complete."""

from __future__ import annotations

from labkit.cluster.model import Cluster
from labkit.holder.protocol import Named
from labkit.lab.targets import worth_probing
from labkit.manifest.kinds import Scenario
from labkit.manifest.loaded import Loaded

HOSTS = ("Lab", "Node")
"""Kinds that say which hosts there are: that stays as it is while a lab runs."""


def named(cluster: Cluster, scenario: Scenario) -> Named:
    """Return the names of a cluster and of the scenario that it was built from."""
    return Named(
        nodes=list(cluster.node_by_name),
        clients=list(cluster.client_by_name),
        pods=list(cluster.pod_by_name),
        targets=list(worth_probing(cluster)),
        objects=[
            f"{each.kind.lower()}/{short_name(each)}"
            for each in scenario.objects
            if each.kind not in HOSTS
        ],
    )


def short_name(loaded: Loaded) -> str:
    """An object's name, without ``default/``."""
    key = loaded.key
    return key.shown if key.namespace else key.name
