"""Named deviations: where data planes part ways, in words for people who run Services.

Each belongs to one trait. `{having}` and `{lacking}` in its sentence stand for the data plane that
has the trait and the one that lacks it. What to do depends on the way one moves: a behaviour goes
or comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from labkit.cluster.model import Cluster
from labkit.semantics.endpoints import is_proxied
from labkit.semantics.traits import Trait

MIGRATION: Final = (
    "https://kubernetes.io/docs/reference/networking/virtual-ips/"
    "#migrating-from-iptables-mode-to-nftables"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One way in which data planes part."""

    trait: Trait
    sentence: str
    source: str
    """A page of the documentation, a KEP, or kube-proxy's file and function."""
    losing: str
    """What to do before the behaviour goes."""
    winning: str
    """What to do before the behaviour comes."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.trait.value


SEEN: Final = (
    Deviation(
        trait=Trait.SERVES,
        sentence="{having} makes rules for Services, {lacking} makes none: no address of a "
        "Service answers there.",
        source="https://kubernetes.io/docs/reference/networking/virtual-ips/",
        losing="Let something else look after Services before this data plane goes.",
        winning="Nothing: Services begin to work.",
    ),
    Deviation(
        trait=Trait.LOCALHOST_NODE_PORTS,
        sentence="{having} serves NodePorts on 127.0.0.1 of every node, {lacking} does not: there "
        "the connection is refused.",
        source=f"{MIGRATION}; KEP-6032 (nftables: a userspace proxy, opt-in)",
        losing="Look at kube-proxy's metric iptables_localhost_nodeports_accepted_packets_total: "
        "if it grows, something uses this. Let it call the node's address, or the ClusterIP.",
        winning="Nothing for what works today. If localhost should stay closed, set "
        "iptables.localhostNodePorts: false.",
    ),
    Deviation(
        trait=Trait.PRIMARY_NODE_PORTS,
        sentence="Without nodePortAddresses, {having} serves NodePorts on a node's primary "
        "address alone, {lacking} on every address that the node has.",
        source=MIGRATION,
        losing="Set nodePortAddresses if NodePorts should not answer on every address.",
        winning='Set nodePortAddresses to the ranges that are in use, or to "0.0.0.0/0".',
    ),
    Deviation(
        trait=Trait.OWN_ENDPOINTS_FIRST,
        sentence="With externalTrafficPolicy: Local, {having} keeps calls by pods and nodes to an "
        "external address or NodePort to the endpoints on that node, where it has some; "
        "{lacking} sends them to every endpoint.",
        source="https://github.com/kubernetes/kubernetes/issues/93456; "
        "pkg/proxy/ipvs/proxier.go, syncEndpoint",
        losing="Expect such calls to cross nodes. Where they must stay, let them use the "
        "ClusterIP with internalTrafficPolicy: Local or trafficDistribution: PreferSameNode.",
        winning="Expect the node's own pods to carry such calls alone; let callers use the "
        "ClusterIP to spread them.",
    ),
    Deviation(
        trait=Trait.FALLS_BACK,
        sentence="Under a Local policy, {having} uses the endpoints of other nodes where a node "
        "has none of its own; {lacking} drops the call, as the API says.",
        source="https://github.com/kubernetes/kubernetes/pull/97081; "
        "https://github.com/kubernetes/kubernetes/issues/121371; "
        "pkg/proxy/ipvs/proxier.go, syncEndpoint",
        losing="Run an endpoint on every node that calls (a DaemonSet), or set "
        "internalTrafficPolicy: Cluster, with trafficDistribution: PreferSameNode to stay on "
        "the node where that is possible.",
        winning="Expect calls that were dropped to reach other nodes.",
    ),
    Deviation(
        trait=Trait.REFUSES_WITHOUT_ENDPOINTS,
        sentence="Where a Local policy leaves a node without any endpoint, {having} refuses the "
        "call at once, {lacking} drops it: callers wait until they time out.",
        source="pkg/proxy/ipvs/proxier.go, syncEndpoint (a virtual server without real servers); "
        "https://github.com/kubernetes/kubernetes/issues/121371",
        losing="Give callers short connect timeouts, or run an endpoint on every node that calls.",
        winning="Expect errors at once where callers used to wait.",
    ),
    Deviation(
        trait=Trait.VIP_IS_OWN_SOURCE,
        sentence="{having} binds external addresses to kube-ipvs0 on every node, so a node's own "
        "call to a Local one has that address as its source: its own pods see it, and answers "
        "of pods on other nodes never arrive. {lacking} masquerades such calls.",
        source="https://github.com/kubernetes/kubernetes/issues/93456 (hostNetwork); "
        "pkg/proxy/ipvs/README.md, KUBE-LOAD-BALANCER-LOCAL and KUBE-EXTERNAL-IP-LOCAL",
        losing="Pods will see the node's address instead: look for allow-lists that name the "
        "Service's. Calls that timed out begin to work.",
        winning="Let nodes and hostNetwork pods use the ClusterIP: calls to the external address "
        "can time out.",
    ),
    Deviation(
        trait=Trait.NODE_PORT_IS_OWN_SOURCE,
        sentence="{having} does not masquerade a node's own call to a NodePort with "
        "externalTrafficPolicy: Local, {lacking} does: a pod on that node sees the address "
        "called, or that of the bridge.",
        source="pkg/proxy/ipvs/README.md, KUBE-NODE-PORT-LOCAL-TCP; "
        "pkg/proxy/iptables/proxier.go, syncProxyRules (masquerade LOCAL traffic)",
        losing="Let allow-lists and NetworkPolicies that name the node's address name its bridge "
        "address too.",
        winning="Let allow-lists and NetworkPolicies that name the bridge's address name the "
        "node's too.",
    ),
    Deviation(
        trait=Trait.MASQUERADES_OWN_CALLS,
        sentence="Without a clusterCIDR, {having} masquerades a node's own calls to ClusterIPs, "
        "{lacking} does not: a pod on that node sees the address of the bridge, or the node's.",
        source="pkg/proxy/ipvs/proxier.go, writeIptablesRules (KUBE-CLUSTER-IP src,dst)",
        losing="Set clusterCIDR, or let allow-lists name the node's address.",
        winning="Set clusterCIDR, or let allow-lists name the bridge's address.",
    ),
    Deviation(
        trait=Trait.REFUSES_CLUSTER_IP_PORTS,
        sentence="{having} refuses calls to a port of a ClusterIP that the Service does not have, "
        "{lacking} lets them pass: the caller waits.",
        source="pkg/proxy/nftables/README.md, cluster-ips; "
        "pkg/proxy/ipvs/proxier.go, writeIptablesRules (KUBE-IPVS-FILTER)",
        losing="Nothing, if no caller takes the refusal for an answer.",
        winning="Nothing: callers learn at once what they learned by waiting.",
    ),
    Deviation(
        trait=Trait.REFUSES_EXTERNAL_PORTS,
        sentence="{having} refuses calls to a port of an external address that no Service has, "
        "{lacking} lets them pass to whoever has the address.",
        source="https://github.com/kubernetes/kubernetes/issues/72236; "
        "pkg/proxy/ipvs/proxier.go, writeIptablesRules (KUBE-IPVS-FILTER)",
        losing="Make sure that what answers for the address beyond the nodes may be reached.",
        winning="Other ports of such an address are out of reach from inside the cluster.",
    ),
    Deviation(
        trait=Trait.SKIPS_ANY_RANGE,
        sentence="{having} ignores 0.0.0.0/0 among loadBalancerSourceRanges, so that it lets in "
        "nobody; {lacking} lets everybody in.",
        source="pkg/proxy/ipvs/proxier.go, syncProxyRules (KUBE-LOAD-BALANCER-SOURCE-CIDR); "
        "ipset(8), hash:ip,port,net: no prefix of zero",
        losing="Make sure that everybody may come in; else name narrower ranges.",
        winning="Leave loadBalancerSourceRanges out, which means the same to everybody else.",
    ),
    Deviation(
        trait=Trait.RANGES_NEED_ENDPOINTS,
        sentence="While a Service has no endpoint, {having} refuses every call to its load "
        "balancer address; {lacking} drops those that loadBalancerSourceRanges keep out.",
        source="pkg/proxy/iptables/proxier.go, syncProxyRules (usesFWChain)",
        losing="Nothing: nobody who was let in is kept out.",
        winning="Nothing: nobody who was kept out is let in.",
    ),
    Deviation(
        trait=Trait.OWN_RANGES_NEED_ENDPOINTS,
        sentence="While a Service has no endpoint, {having} refuses a node's own call to its load "
        "balancer address; {lacking} drops it if loadBalancerSourceRanges keep the node out.",
        source="pkg/proxy/ipvs/proxier.go, writeIptablesRules (KUBE-IPVS-OUT-FILTER asks for "
        "a connection that IPVS has made)",
        losing="Nothing: nobody who was let in is kept out.",
        winning="Nothing: nobody who was kept out is let in.",
    ),
    Deviation(
        trait=Trait.LETS_OWN_CALLS_GO,
        sentence="{lacking} refuses a node's own call to an external address of a Service without "
        "endpoints; {having} lets it pass to whoever has the address: the caller waits.",
        source="pkg/proxy/iptables/proxier.go, iptablesJumpChains (KUBE-EXTERNAL-SERVICES: INPUT "
        "and FORWARD only); pkg/proxy/nftables/README.md, no-endpoint-services",
        losing="Expect errors at once where callers used to wait. Nodes that reached something "
        "beyond the cluster by such an address no longer do while the Service has no endpoint.",
        winning="Give callers short connect timeouts.",
    ),
    Deviation(
        trait=Trait.DROPS_ANYWHERE,
        sentence="Where a NodePort with externalTrafficPolicy: Local has no endpoint on a node, "
        "{having} drops calls to any address of that node; {lacking} refuses them on addresses "
        "that nodePortAddresses leave out.",
        source="pkg/proxy/iptables/proxier.go, syncProxyRules (KUBE-EXTERNAL-SERVICES, --dst-type "
        "LOCAL); pkg/proxy/nftables/proxier.go, syncProxyRules (nodeport-endpoints-check)",
        losing="Nothing: NodePorts do not answer there either way.",
        winning="Nothing: NodePorts do not answer there either way.",
    ),
    Deviation(
        trait=Trait.HAIRPIN_ANYWHERE,
        sentence="{having} masquerades a pod that reaches itself through another node, {lacking} "
        "only through its own: there the call times out.",
        source="pkg/proxy/nftables/proxier.go, syncProxyRules (hairpin-connections); "
        "pkg/proxy/iptables/proxier.go, writeServiceToEndpointRules",
        losing="Let pods call the ClusterIP, or the NodePort of their own node.",
        winning="Nothing: calls that timed out begin to work.",
    ),
    Deviation(
        trait=Trait.AFFINITY_PER_ADDRESS,
        sentence="Under {having} session affinity holds for each address of a Service by itself: "
        "a client can meet one pod by the ClusterIP and another by a NodePort. Under {lacking} it "
        "holds for all addresses of a Service port together: where they have different policies, "
        "a call to one can move the client to another pod for all.",
        source="https://github.com/kubernetes/kubernetes/issues/103000; "
        "pkg/proxy/ipvs/proxier.go, syncService",
        losing="Nothing: clients that use one address see no difference. Sessions that are alive "
        "when the node changes are not carried over.",
        winning="Let a client use one address of a Service. Sessions that are alive when the node "
        "changes are not carried over.",
    ),
    Deviation(
        trait=Trait.EXTERNAL_IPS_FOR_OUTSIDERS,
        sentence="{having} serves an externalIP to callers from outside the node alone: what the "
        "node and its pods send there leaves the node. {lacking} serves them too.",
        source="https://github.com/kubernetes/kubernetes/pull/96296 (Kubernetes 1.21); "
        "kubernetes v1.20 pkg/proxy/iptables/proxier.go, syncProxyRules (physdev)",
        losing="Make sure that what answers for the address beyond the nodes may be left out.",
        winning="Let callers in the cluster use the ClusterIP.",
    ),
    Deviation(
        trait=Trait.HANGS_ON_LOCALHOST,
        sentence="Calls to NodePorts on 127.0.0.1 time out under {having}: they keep that source, "
        "which cannot leave the node. {lacking} refuses them, or serves them.",
        source="https://github.com/kubernetes/kubernetes/issues/96879; "
        "https://github.com/kubernetes/kubernetes/pull/101023 (Kubernetes 1.22)",
        losing="Nothing: such calls did not work.",
        winning="Let callers on the node use its own address, or the ClusterIP.",
    ),
    Deviation(
        trait=Trait.LETS_DROPPED_CALLS_GO,
        sentence="{having} does not serve who is in none of loadBalancerSourceRanges, nor, under "
        "externalTrafficPolicy: Local, on a node without an endpoint, but lets the packet go on to "
        "whoever has the address; {lacking} drops it.",
        source="https://github.com/kubernetes/kubernetes/pull/110289 (Kubernetes 1.25), KEP-3178; "
        "kubernetes v1.20 pkg/kubelet/kubelet_network_linux.go (KUBE-FIREWALL: INPUT and OUTPUT)",
        losing="Nothing: nobody who was let in is kept out.",
        winning="Nothing: nobody who was kept out is let in by the nodes.",
    ),
    Deviation(
        trait=Trait.IGNORES_INTERNAL_POLICY,
        sentence="{having} does not know internalTrafficPolicy and uses the endpoints of every "
        "node; {lacking} keeps calls with Local to the node's own.",
        source="KEP-2086 (Kubernetes 1.22)",
        losing="Run an endpoint on every node that calls (a DaemonSet), or calls are dropped.",
        winning="Expect calls to cross nodes.",
    ),
    Deviation(
        trait=Trait.IGNORES_HINTS,
        sentence="{having} does not look at hints of endpoints and uses all of them; {lacking} "
        "keeps calls to the endpoints that are meant for the node's zone.",
        source="KEP-2433 (Kubernetes 1.24)",
        losing="See to it that each zone has endpoints for its callers.",
        winning="Expect calls to cross zones.",
    ),
    Deviation(
        trait=Trait.IGNORES_TERMINATING,
        sentence="{having} never uses endpoints that terminate; {lacking} does while no other is "
        "ready.",
        source="KEP-1669 (Kubernetes 1.26)",
        losing="Nothing: calls that were refused while a rollout went on are answered.",
        winning="Roll out so that some endpoint is always ready.",
    ),
    Deviation(
        trait=Trait.IGNORES_IP_MODE,
        sentence="{having} does not know ipMode and serves every address of a load balancer on "
        "the nodes; {lacking} leaves those with Proxy to the load balancer.",
        source="KEP-1860 (Kubernetes 1.30)",
        losing="Make sure that nodes and pods reach the load balancer.",
        winning="What the load balancer adds, such as the PROXY protocol, is missing for callers "
        "in the cluster.",
    ),
)
"""Those that flows show."""
UNSEEN: Final = (
    Deviation(
        trait=Trait.ANSWERS_PING,
        sentence="Under {having} nodes answer ping to the addresses of Services themselves; under "
        "{lacking} nobody does.",
        source="pkg/proxy/ipvs/README.md (kube-ipvs0)",
        losing="Let health checks that ping an address of a Service connect to its port instead.",
        winning="Take no answer to a ping for a sign that a Service works.",
    ),
    Deviation(
        trait=Trait.FORWARDS_INVALID,
        sentence="An answer outside of its connection's window is no part of it for conntrack. "
        "{having} lets it pass with the pod's own address, and the caller resets the connection; "
        "under {lacking} the connection goes on.",
        source=f"{MIGRATION} (conntrack bug workarounds); "
        "https://github.com/kubernetes/kubernetes/issues/74839; "
        "pkg/proxy/iptables/proxier.go, syncProxyRules (ctstate INVALID)",
        losing="Nothing. What kube-proxy drops, its metric "
        "iptables_ct_state_invalid_dropped_packets_total counts.",
        winning="Look at kube-proxy's metric iptables_ct_state_invalid_dropped_packets_total: if "
        "it grows, set conntrack.tcpBeLiberal: true.",
    ),
    Deviation(
        trait=Trait.LEAVES_HEALTH_CHECKS_CLOSED,
        sentence="{lacking} accepts packets to a Service's healthCheckNodePort before a node's own "
        "firewall is asked; {having} leaves them to it.",
        source=f"{MIGRATION} (firewall interaction); "
        "https://github.com/kubernetes/kubernetes/issues/97225",
        losing="Nothing.",
        winning="Open healthCheckNodePorts to the load balancer in the firewalls of the nodes.",
    ),
    Deviation(
        trait=Trait.SCHEDULES,
        sentence="Under {having} a scheduler chooses endpoints (ipvs.scheduler, round robin by "
        "default); under {lacking} each connection goes to a random one.",
        source="https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-ipvs",
        losing="Expect shares that are equal in the long run alone. Nothing stands for lc, sh or "
        "the other schedulers: find out whether anybody relies on one.",
        winning="Nothing.",
    ),
)
"""Those that no flow shows: of other packets, or of shares."""
BY_TRAIT: Final[Mapping[Trait, Deviation]] = {each.trait: each for each in (*SEEN, *UNSEEN)}


def unseen(cluster: Cluster, apart: Set[Trait]) -> tuple[Deviation, ...]:
    """Return what differs for this cluster though no flow need show it.

    Args:
        cluster: whose Services.
        apart: traits that one data plane has and the other lacks.
    """
    proxied = [service for service in cluster.services if is_proxied(service)]
    sticky = any(service.affinity_timeout_s is not None for service in proxied)
    matters = {
        Trait.AFFINITY_PER_ADDRESS: sticky,
        **{each.trait: bool(proxied) for each in UNSEEN},
        Trait.LEAVES_HEALTH_CHECKS_CLOSED: any(each.health_check_node_port for each in proxied),
        Trait.FORWARDS_INVALID: bool(proxied) and not cluster.kube_proxy.tcp_be_liberal,
    }
    served = Trait.SERVES not in apart
    return tuple(
        BY_TRAIT[trait] for trait, here in matters.items() if here and served and trait in apart
    )
