"""One star of hosts, built by labkit or another tool in a process and namespaces of its own.

Run as ``unshare --net --mount --pid --mount-proc … python star.py WAY PODS NODES``: prints what it
cost as JSON, without the start of the interpreter. It is a file of its own, without labkit's
imports, as Debian's Mininet is for Debian's Python. What is made goes away with the namespaces.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from mininet.net import Mininet

GATEWAY: Final = "10.0.0.1"
KIB: Final = 1024
PRIVATE: Final = (
    "--make-rprivate /",
    "-t tmpfs tmpfs /run",  # where ip netns keeps its names
    "-t tmpfs tmpfs /tmp",  # where munet keeps its mounts
    "--bind -o ro /proc/sys /proc/sys",  # Mininet raises limits of the whole machine
)


class Star(NamedTuple):
    """How a star is made and taken down, and how to wait until the kernel is done with it."""

    build: Callable[[], None]
    close: Callable[[], None]
    settle: Callable[[], None] | None = None


class Taken(NamedTuple):
    """What all processes of this PID namespace take, and the machine's kernel."""

    pss_bytes: int
    rss_bytes: int
    descriptors: int
    kernel_bytes: int


def by_labkit(pods: int, nodes: int) -> Star:
    """The namespaces and links of a lab, with its thread."""
    from contextlib import ExitStack

    from labkit.bench.lab.clusters import pod_cluster
    from labkit.kernel.netns import Edge
    from labkit.kernel.world import World

    cluster, stack = pod_cluster(nodes, pods), ExitStack()

    def build() -> None:
        stack.enter_context(World(stack.enter_context(Edge()), cluster))

    return Star(build, stack.close, _settle())


def by_labkit_whole(pods: int, nodes: int) -> Star:
    """A whole lab of labkit: also iptables rules on each node and a responder in each pod."""
    from contextlib import ExitStack

    from labkit.bench.lab.clusters import pod_cluster
    from labkit.lab.running import Running

    cluster, stack = pod_cluster(nodes, pods, dataplane="iptables"), ExitStack()

    def build() -> None:
        stack.enter_context(Running(cluster, seed=0))

    return Star(build, stack.close, _settle())


def by_floor(pods: int, nodes: int) -> Star:
    """The least that it can cost."""
    from labkit.bench.lab.floor import Floor

    made: list[Floor] = []
    return Star(lambda: made.append(Floor(nodes, pods)), lambda: made.pop().close(), _settle())


def by_ip_batch(hosts: int, _nodes: int) -> Star:
    """Two runs of ``ip -batch`` for all namespaces and links, then one inside each host."""

    def build() -> None:
        _batch("".join(f"netns add h{n}\n" for n in range(hosts)))
        links = "link add br0 up type bridge mcast_snooping 0\n"
        for n in range(hosts):
            links += f"link add h{n} up master br0 type veth peer name eth0 netns h{n}\n"
        _batch(links)
        for n in range(hosts):
            high, low = divmod(n + 2, 256)
            own = "link set lo up\nlink set eth0 addrgenmode none up\n"
            own += f"address add 10.0.{high}.{low}/16 dev eth0\nroute add default via {GATEWAY}\n"
            _batch(own, "-netns", f"h{n}")

    return Star(build, lambda: _batch("".join(f"netns delete h{n}\n" for n in range(hosts))))


def by_mininet(hosts: int, _nodes: int) -> Star:
    """Mininet's own star: a shell for each host, the bridge by brctl."""
    net = mininet(hosts)

    def build() -> None:
        net.build()
        net.start()

    return Star(build, net.stop)


def by_munet(hosts: int, _nodes: int) -> Star:
    """Munet's own star: processes for each host, and a network that gives addresses."""
    import asyncio

    from munet.parser import async_build_topology

    names = [f"h{n}" for n in range(hosts)]
    folder = tempfile.mkdtemp(dir="/run")
    config = {
        "config_pathname": f"{folder}/munet.yaml",
        "topology": {
            "networks": [{"name": "net0", "ip": "10.0.0.0/16"}],
            "nodes": [{"name": name, "connections": ["net0"]} for name in names],
        },
    }
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made = []

    def build() -> None:
        made.append(loop.run_until_complete(async_build_topology(config, rundir=folder)))
        loop.run_until_complete(made[0].run())

    return Star(build, lambda: loop.run_until_complete(made[0].async_delete()))


WAYS: Final = {
    "floor": by_floor,
    "labkit": by_labkit,
    "whole": by_labkit_whole,
    "ip-batch": by_ip_batch,
    "mininet": by_mininet,
    "munet": by_munet,
}
OTHERS: Final = ("ip-batch", "mininet", "munet", "ping-all")


def measured(star: Star) -> dict[str, float]:
    """Build a star and take it down; return seconds, and what it took while it was there."""
    before = taken()
    started = time.perf_counter()
    star.build()
    built = time.perf_counter()
    after = taken()
    closing = time.perf_counter()
    star.close()
    closed = time.perf_counter()
    found = {"set-up": built - started, "tear-down": closed - closing}
    if star.settle:
        star.settle()
        found["kernel done"] = time.perf_counter() - closing
    used = {name: now - then for name, now, then in zip(Taken._fields, after, before, strict=True)}
    return {**found, **used}


def mininet(hosts: int) -> Mininet:
    """A star that is not built yet."""
    from mininet.net import Mininet
    from mininet.nodelib import LinuxBridge
    from mininet.topo import SingleSwitchTopo

    return Mininet(SingleSwitchTopo(hosts), switch=LinuxBridge, controller=None, build=False)


def ping_all(hosts: int) -> dict[str, float]:
    """Have Mininet ping between all pairs of a star's hosts; return probes a second."""
    net = mininet(hosts)
    net.build()
    net.start()
    started = time.perf_counter()
    lost = net.pingAll()
    taken_s = time.perf_counter() - started
    net.stop()
    if lost:
        raise SystemExit(f"pingAll lost {lost} % of its packets")
    return {"a second": hosts * (hosts - 1) / taken_s}


def taken() -> Taken:
    """Ask /proc; what ends meanwhile is nothing any more."""
    sizes = {"Pss": 0, "Rss": 0}
    descriptors = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
            descriptors += len(list((process / "fd").iterdir()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in lines[1:]:
            name, size, *_ = line.split()
            if name.rstrip(":") in sizes:
                sizes[name.rstrip(":")] += int(size) * KIB
    kernel = 0
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, size, *_ = line.split()
        if name in {"Slab:", "Percpu:", "VmallocUsed:"}:
            kernel += int(size) * KIB
    return Taken(sizes["Pss"], sizes["Rss"], descriptors, kernel)


def _settle() -> Callable[[], None]:
    from labkit.bench.lab.settle import settle
    from labkit.kernel.netns import Edge

    edge = Edge()
    return lambda: settle(edge)


def _batch(lines: str, *options: str) -> None:
    subprocess.run(["ip", *options, "-batch", "-"], input=lines.encode(), check=True)


def main() -> None:
    """Shut the machine off from what other tools would change, build, print what it cost."""
    way, pods, nodes = sys.argv[1:]
    if way in OTHERS:
        for arguments in PRIVATE:
            subprocess.run(["mount", *arguments.split()], check=True)
    # What tools print is no part of the answer.
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    ping = way == "ping-all"
    found = ping_all(int(pods)) if ping else measured(WAYS[way](int(pods), int(nodes)))
    os.write(answer, json.dumps(found).encode())


if __name__ == "__main__":
    main()
