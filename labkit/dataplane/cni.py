"""The CNI plugin's own rule: pods are hidden from everything outside the pod network.

Source: the bridge plugin's ipMasq and flannel's --ip-masq do this with rules of the same effect.
"""

from __future__ import annotations

from labkit.cluster.model import Cluster


def masquerade_rules(cluster: Cluster) -> tuple[str, ...]:
    """Rules for nat POSTROUTING, after kube-proxy's own; none without podMasquerade."""
    if not cluster.network.pod_masquerade:
        return ()
    pods = cluster.network.pod_cidr
    return (f"-s {pods} ! -d {pods} -m comment --comment cni-masq -j MASQUERADE",)
