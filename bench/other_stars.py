"""The star of hosts as other tools make it, each in a process and namespaces of its own.

Run by bench_setup.py as ``unshare --net --mount --pid python other_stars.py WAY HOSTS``: prints the
seconds that the set-up took, without the start of the interpreter. What is made goes away with
the process' namespaces.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

GATEWAY: Final = "10.0.0.1"


PRIVATE: Final = (
    "--make-rprivate /",
    "-t tmpfs tmpfs /run",  # where ip netns keeps its names
    "--bind -o ro /proc/sys /proc/sys",  # Mininet raises limits of the whole machine
)


def by_ip_batch(hosts: int) -> None:
    """Two runs of ``ip -batch`` for all namespaces and links, then one inside each host."""
    batch("ip", "".join(f"netns add h{n}\n" for n in range(hosts)))
    links = "link add br0 up type bridge mcast_snooping 0\n"
    for n in range(hosts):
        links += f"link add h{n} up master br0 type veth peer name eth0 netns h{n}\n"
    batch("ip", links)
    for n in range(hosts):
        high, low = divmod(n + 2, 256)
        own = "link set lo up\nlink set eth0 addrgenmode none up\n"
        own += f"address add 10.0.{high}.{low}/16 dev eth0\nroute add default via {GATEWAY}\n"
        batch("ip", own, "-netns", f"h{n}")


def batch(tool: str, lines: str, *options: str) -> None:
    """Run one batch."""
    subprocess.run([tool, *options, "-batch", "-"], input=lines.encode(), check=True)


def by_mininet(hosts: int) -> None:
    """Mininet's own star: a shell for each host, the bridge by brctl."""
    from mininet.net import Mininet
    from mininet.nodelib import LinuxBridge
    from mininet.topo import SingleSwitchTopo

    net = Mininet(SingleSwitchTopo(hosts), switch=LinuxBridge, controller=None)
    net.start()


WAYS: Final = {"ip-batch": by_ip_batch, "mininet": by_mininet}


def main() -> None:
    """Shut the machine off from what the tools would change, build, print the seconds."""
    way, hosts = sys.argv[1:]
    for arguments in PRIVATE:
        subprocess.run(["mount", *arguments.split()], check=True)
    started = time.perf_counter()
    WAYS[way](int(hosts))
    print(f"seconds {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    main()
