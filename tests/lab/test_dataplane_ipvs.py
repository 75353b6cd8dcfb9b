"""What the kernel makes of IPVS mode's tables: it takes them, and holds just what was rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyroute2 import IPVS, IPVSService
from pyroute2.netlink.generic.ipvs import ipvsmsg

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.dataplane.base import Change
from labkit.dataplane.ipvs.apply import IpvsPlane
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.tables import DUMMY, Address
from labkit.dataplane.rules import Ruleset, Table
from labkit.errors import CommandError, KernelError
from labkit.kernel import ipvs
from labkit.kernel.guest.exchange import kernel_kind
from labkit.kernel.ipvs import Server
from labkit.kernel.ipvs_counts import LOOKED_AT, counts
from labkit.kernel.netns import Edge, Namespace
from labkit.lab.lab import Lab
from labkit.manifest.load import load
from labkit.pytest_plugin import LabFactory
from tests.recorded import SCENARIOS
from tests.unit.dataplane.clusters import CLUSTER_IP, CONFIG, WEB, cluster
from tests.unit.dataplane.ipvs_text import device, ipsets, servers
from tests.unit.dataplane.restored import Tables, restored, saved
from tests.unit.dataplane.strategies import clusters
from tests.unit.dataplane.test_updates import OTHER

pytestmark = pytest.mark.labkit_needs("ip_vs", "dummy", "ipset", "set match", "ipvs match")

EXAMPLES = settings(
    max_examples=20 if kernel_kind() == "host" else 6,
    deadline=None,
    phases=[Phase.generate],  # to find a smaller example takes minutes in a guest
    # Every example starts with a full install, whatever the one before has left.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LETTERS = {6: "-t", 17: "-u", 132: "--sctp-service"}
PERSISTENT, HASH_PORTS = 0x1, 0x10
MASQUERADE = 0
STICKY = replace(WEB, affinity_timeout_s=10800)


Held = set[tuple[str, str]]
"""What a node holds: each line with what it belongs to. The order of rules is in the line."""


@pytest.fixture
def node() -> Iterator[Namespace]:
    with Edge() as edge:
        made = edge.namespace("node1")
        # Where no route says what is local IPVS refuses real servers; nodes have some.
        made.execute(["ip", "link", "set", "lo", "up"])
        yield made


@pytest.fixture
def plane(node: Namespace) -> IpvsPlane:
    return IpvsPlane().fitted(node)


def rendered(rules: IpvsRules) -> Held:
    lines = rules.text().splitlines()
    return _all(servers(lines), ipsets(lines), device(lines), saved(rules.iptables))


def held(node: Namespace, plane: IpvsPlane) -> Held:
    """What the kernel says, by other programs than those that have installed it."""
    return _all(
        servers(node.run(dumped_servers)),
        ipsets(node.execute(["ipset", "save"]).splitlines()),
        device(node.execute(["ip", "-br", "addr"]).splitlines()),
        iptables(node, plane),
    )


def _all(
    virtual: Mapping[str, frozenset[str]],
    sets: Mapping[str, frozenset[str]],
    addresses: frozenset[str],
    tables: Tables,
) -> Held:
    found = {(DUMMY, address) for address in addresses}
    for name, members in {**virtual, **sets}.items():
        found |= {(name, ""), *((name, member) for member in members)}
    for table, chains in tables.items():
        for chain, rules in chains.items():
            found.add((f"{table} {chain}", "\n".join(rules)))
    return found


def dumped_servers() -> Sequence[str]:
    """This namespace's virtual servers, as ipvsadm prints them."""
    lines: list[str] = []
    with IPVS() as asked:
        for message in list(asked.service("dump")):
            key = IPVSService.from_message(message)
            server, name = _server(message)
            lines.append(f"-A {name} {server}")
            lines += [f"-a {name} {_real(each)}" for each in asked.dest("dump", service=key)]
    return lines


def _server(message: ipvsmsg) -> tuple[str, str]:
    found = message.get("IPVS_CMD_ATTR_SERVICE").get
    flags = found("IPVS_SVC_ATTR_FLAGS")["flags"]
    words = [f"-s {found('IPVS_SVC_ATTR_SCHED_NAME')}"]
    if flags & PERSISTENT:
        words.append(f"-p {found('IPVS_SVC_ATTR_TIMEOUT')}")
    if flags & HASH_PORTS:
        words.append("-b mh-port")
    letter = LETTERS[found("IPVS_SVC_ATTR_PROTOCOL")]
    assert found("IPVS_SVC_ATTR_NETMASK") == "255.255.255.255"
    return " ".join(words), f"{letter} {found('IPVS_SVC_ATTR_ADDR')}:{found('IPVS_SVC_ATTR_PORT')}"


def _real(message: ipvsmsg) -> str:
    found = message.get("IPVS_CMD_ATTR_DEST").get
    assert found("IPVS_DEST_ATTR_FWD_METHOD") == MASQUERADE
    address = f"{found('IPVS_DEST_ATTR_ADDR')}:{found('IPVS_DEST_ATTR_PORT')}"
    return f"-r {address} -m -w {found('IPVS_DEST_ATTR_WEIGHT')}"


def iptables(node: Namespace, plane: IpvsPlane) -> Tables:
    """The tables that labkit writes."""
    text = node.execute([f"iptables-{plane.backend}-save"])
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    # The legacy one writes quotes of comments with a backslash.
    shown = restored({}, "\n".join(lines).replace("\\'", "'"), flush=True)
    return {name: chains for name, chains in shown.items() if name in ("mangle", "filter", "nat")}


def install(
    plane: IpvsPlane, node: Namespace, rules: IpvsRules, previous: IpvsRules | None = None
) -> None:
    plane.apply([Change(node, rules, previous)])


def on_node1(lab: Cluster) -> IpvsRules:
    return IpvsPlane().render(lab, lab.nodes[0])


@pytest.mark.timeout(120)
@EXAMPLES
@given(old=clusters(), new=clusters())
def test_an_update_and_a_full_install_leave_the_same(
    old: Cluster, new: Cluster, node: Namespace, plane: IpvsPlane
) -> None:
    before, after = on_node1(old), on_node1(new)

    install(plane, node, before)
    assert held(node, plane) == rendered(before)

    install(plane, node, after, before)
    assert held(node, plane) == rendered(after)


@pytest.mark.timeout(120)
def test_scenarios_can_be_changed_into_one_another(node: Namespace, plane: IpvsPlane) -> None:
    there = [on_node1(build_cluster(load(path))) for path in SCENARIOS]
    install(plane, node, there[0])

    for before, after in pairwise(there):
        install(plane, node, after, before)

        assert held(node, plane) == rendered(after)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheduler", ["wlc", "sh", "mh"])
def test_schedulers_are_installed_and_changed(
    scheduler: str, node: Namespace, plane: IpvsPlane
) -> None:
    config = replace(CONFIG, ipvs_scheduler=scheduler)
    before, after = on_node1(cluster(WEB)), on_node1(cluster(STICKY, OTHER, config=config))
    install(plane, node, before)

    install(plane, node, after, before)
    assert held(node, plane) == rendered(after)

    install(plane, node, before, after)
    assert held(node, plane) == rendered(before)


def test_refused_rules_leave_the_servers_as_they_were(node: Namespace, plane: IpvsPlane) -> None:
    good = on_node1(cluster(WEB))
    table = Table("nat", {"KUBE-SERVICES": ("-j KUBE-NOWHERE",)})
    bad = replace(on_node1(cluster(OTHER)), iptables=Ruleset((table,)))
    install(plane, node, good)
    before = held(node, plane)

    with pytest.raises(CommandError, match="KUBE-NOWHERE"):
        install(plane, node, bad, good)

    kept = {line for line in before if not line[0].startswith("KUBE-")}
    assert kept <= held(node, plane)


def test_a_refused_server_is_named_and_a_full_install_mends_it(
    node: Namespace, plane: IpvsPlane
) -> None:
    good = on_node1(cluster(WEB))
    server = replace(good.virtual_servers[0], scheduler="none-such")
    bad = replace(IpvsRules.of([server]), iptables=good.iptables)
    install(plane, node, good)

    with pytest.raises(KernelError, match=f"node1: change virtual server {server.address}"):
        install(plane, node, bad, good)

    install(plane, node, good)
    assert held(node, plane) == rendered(good)


def test_the_servers_are_those_that_the_kernel_lists(node: Namespace, plane: IpvsPlane) -> None:
    """Once by another way than netlink, which tells what labkit and pyroute2 might both mistake."""
    rules = on_node1(cluster(STICKY, OTHER))
    install(plane, node, rules)

    listing = node.run(lambda: Path("/proc/thread-self/net/ip_vs").read_text())

    rows = [line.split() for line in listing.splitlines()[3:]]
    expected = []
    for server in rules.virtual_servers:
        expected.append([str(server.protocol), _hexadecimal(server.address), "rr"])
        expected[-1] += ["persistent"] if server.persistent_s else []
        expected += [["->", _hexadecimal(real), "Masq", "1"] for real in server.real_servers]
    # How long a source is remembered is told in the kernel's own ticks.
    assert sorted(row[:4] for row in rows) == sorted(expected)


def _hexadecimal(address: Address) -> str:
    return f"{int(address.ip):08X}:{address.port:04X}"


def delete_a_real_server(node: Namespace, rules: IpvsRules) -> None:
    server = next(each for each in rules.virtual_servers if each.real_servers)
    key = Server(protocol=6, ip=server.address.ip, port=server.address.port)
    ipvs.send(node, list(ipvs.delete_real_servers(key, server.real_servers[:1])))


def delete_a_virtual_server(node: Namespace, rules: IpvsRules) -> None:
    server = rules.virtual_servers[-1]
    key = Server(protocol=6, ip=server.address.ip, port=server.address.port)
    ipvs.send(node, [ipvs.delete_server(key)])


def delete_an_element(node: Namespace, rules: IpvsRules) -> None:
    name, entry = next((each.name, each.entries[0]) for each in rules.ipsets if each.entries)
    node.execute(["ipset", "del", name, str(entry)])


def add_an_element(node: Namespace, rules: IpvsRules) -> None:  # noqa: ARG001 - as the others
    node.execute(["ipset", "add", "KUBE-IPVS-IPS", "192.0.2.99"])


def delete_an_address(node: Namespace, rules: IpvsRules) -> None:
    node.execute(["ip", "address", "del", f"{rules.addresses[0]}/32", "dev", DUMMY])


def delete_the_device(node: Namespace, rules: IpvsRules) -> None:  # noqa: ARG001 - as the others
    node.execute(["ip", "link", "del", DUMMY])


@pytest.mark.parametrize(
    "damage",
    [
        delete_a_real_server,
        delete_a_virtual_server,
        delete_an_element,
        add_an_element,
        delete_an_address,
        delete_the_device,
    ],
    ids=lambda damage: damage.__name__.replace("_", " "),
)
def test_whatever_comes_or_goes_gives_a_node_another_mark(
    damage: Callable[[Namespace, IpvsRules], None], node: Namespace, plane: IpvsPlane
) -> None:
    rules = on_node1(cluster(WEB, OTHER))
    install(plane, node, rules)
    mark = plane.mark(node)

    assert plane.mark(node) == mark
    damage(node, rules)
    assert plane.mark(node) != mark


def test_a_mark_is_no_longer_however_many_servers_there_are(
    node: Namespace, plane: IpvsPlane
) -> None:
    install(plane, node, on_node1(cluster()))
    ports = range(1, LOOKED_AT + 3)
    keys = [Server(protocol=6, ip=CLUSTER_IP, port=port) for port in ports]
    ipvs.send(
        node,
        (ipvs.add_server(k, scheduler="rr", persistent_s=None, hash_ports=False) for k in keys),
    )
    before = counts(node)

    ipvs.send(node, [ipvs.delete_server(keys[0])])
    after = counts(node)

    assert (before.servers, after.servers) == (LOOKED_AT + 2, LOOKED_AT + 1)
    assert len(before.real_servers) == len(after.real_servers) == 8 * LOOKED_AT


@pytest.mark.parametrize("strict", [False, True])
def test_a_nodes_sysctls_are_those_that_kube_proxy_sets(strict: bool, lab: LabFactory) -> None:  # noqa: FBT001
    names = [
        *(
            f"vs/{name}"
            for name in ("conntrack", "expire_nodest_conn", "expire_quiescent_template")
        ),
        *(f"conf/all/{name}" for name in ("arp_ignore", "arp_announce")),
    ]
    running = lab(nodes=1, dataplane="ipvs", kubeProxy={"ipvs": {"strictARP": strict}})

    paths = [f"/proc/sys/net/ipv4/{name}" for name in names]
    shown = running.exec("node1", ["cat", *paths], check=True).stdout.split()

    assert shown == ["1", "1", "1", *(["1", "2"] if strict else ["0", "0"])]


def web(lab: LabFactory, scheduler: str, **spec: object) -> Lab:
    """A lab with a Service of four pods."""
    running = lab(nodes=2, dataplane="ipvs", kubeProxy={"ipvs": {"scheduler": scheduler}})
    for number in range(4):
        node = f"node{number % 2 + 1}"
        running.add_pod(f"web-{number}", node=node, labels={"app": "web"}, ports=[80])
    running.add_service("web", selector={"app": "web"}, ports=[80], **spec)
    return running


def test_a_source_stays_with_its_pod_while_other_services_come(lab: LabFactory) -> None:
    running = web(lab, "rr", sessionAffinity="ClientIP")
    before = running.probe("node1", "web:80", attempts=20)

    running.add_service("other", selector={"app": "web"}, ports=[81])
    after = running.probe("node1", "web:80", attempts=20)

    assert len(before.backends) == 1
    assert after.backends == before.backends


@pytest.mark.parametrize(("scheduler", "pods"), [("rr", 4), ("sh", 1), ("mh", 4)])
def test_a_scheduler_sends_attempts_of_one_source_to(
    scheduler: str, pods: int, lab: LabFactory
) -> None:
    seen = web(lab, scheduler).probe("node1", "web:80", attempts=60)

    # sh goes by the address alone; kube-proxy has mh look at the port too.
    assert len(seen.backends) == pods
