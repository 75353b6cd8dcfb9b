"""A node's own firewall: what is not for anybody that it knows is dropped.

Distributions come with such rules, and no part of Kubernetes makes them. They come after all others
of the chain INPUT, as the policy of that chain does: kube-proxy puts its jumps first.
"""

from __future__ import annotations

from labkit.cluster.model import Node
from labkit.dataplane.rules import Table, table


def input_rules(node: Node) -> tuple[str, ...]:
    """The last rules of filter INPUT: answers and the node's own packets pass; none for ACCEPT."""
    if not node.drops_input:
        return ()
    return (
        "-i lo -j ACCEPT",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-j DROP",
    )


def own_table(node: Node) -> tuple[Table, ...]:
    """The filter table where the firewall is all that is in it; none without one."""
    rules = input_rules(node)
    return (table("filter", {"INPUT": rules}),) if rules else ()
