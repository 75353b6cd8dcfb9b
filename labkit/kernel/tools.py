"""Where programs are looked for: on PATH, and where Debian keeps those for root.

An ordinary user's PATH has no /usr/sbin, and iptables is there; in a user namespace it works.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Final

FOR_ROOT: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """PATH with the folders for root at its end."""
    given = os.environ.get("PATH", os.defpath)
    return os.pathsep.join((given, *FOR_ROOT))


def which(name: str) -> str | None:
    """The full path of a program, or None."""
    import shutil

    return shutil.which(name, path=search_path())


def how_to_get(program: str) -> str:
    """What to do if a program is not there: Debian's package of those that labs are explored with.

    Source: packages.debian.org, bookworm.
    """
    packages = {
        **{name: name for name in ("conntrack", "curl", "ipset", "ipvsadm", "nmap", "socat")},
        **{name: name for name in ("tcpdump", "traceroute", "tshark", "wget", "iperf3", "mtr")},
        **dict.fromkeys(("bridge", "ip", "ss", "tc"), "iproute2"),
        **dict.fromkeys(("iptables", "iptables-save"), "iptables"),
        **dict.fromkeys(("dig", "nslookup"), "bind9-dnsutils"),
        "arping": "arping",
        "nc": "netcat-openbsd",
        "nft": "nftables",
        "ping": "iputils-ping",
    }
    if package := packages.get(program):
        return f"apt-get install {package}"
    return "install it, or give its path"


def can_execute(program: Path) -> bool:
    """Whether this process may run a file."""
    return os.access(program, os.X_OK)
