"""The rules that kube-proxy before 1.25 expected kubelet to have made on its node.

Its rules drop packets by jumping to KUBE-MARK-DROP. What that chain does, and that marked packets
are dropped, was kubelet's (KEP-3178 ended this).

Source: kubernetes v1.20 pkg/kubelet/kubelet_network_linux.go, syncNetworkUtil.
"""

from __future__ import annotations

from typing import Final

LAST: Final = (1, 24)
"""The last release of kube-proxy that needs them."""
DROP_BIT: Final = 15
"""kubelet's --iptables-drop-bit."""

_MARK: Final = f"{1 << DROP_BIT:#x}"
RULES: Final = f"""*nat
:KUBE-MARK-DROP - [0:0]
-A KUBE-MARK-DROP -j MARK --or-mark {_MARK}
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
-A KUBE-FIREWALL -m comment --comment "kubernetes firewall for dropping marked packets" \
-m mark --mark {_MARK}/{_MARK} -j DROP
-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" \
-d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-I INPUT -j KUBE-FIREWALL
-I OUTPUT -j KUBE-FIREWALL
COMMIT
"""
