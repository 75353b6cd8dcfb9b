"""User-Mode Linux: a kernel that is an ordinary program, with the host's files for its root.

Source: Documentation/virt/uml/user_mode_linux_howto_v2.rst of the kernel.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature
from labkit.kernel.tools import search_path

NAME: Final = "linux"
PROGRAM: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")
REMEDY: Final = "apt-get install user-mode-linux"
MEMORY: Final = "LABKIT_GUEST_MEMORY"
"""Names the guest's memory, as 512M or 2G, in the environment."""
NOT_NEEDED: Final = ("raid6_select_algo", "calibrate_xor_blocks", "init_btrfs_fs")
"""Steps of the boot that try out the ways to compute RAID: 0.9 of its 1.5 s, and no lab has one."""
LEAST_MIB, MOST_MIB = 512, 4096
MCONSOLE: Final = struct.Struct("=III512s")
MAGIC, VERSION = 0xCAFEBABE, 2
WANTED: Final = (
    "veth bridge br_netfilter vxlan dummy overlay ip_tables iptable_filter iptable_nat "
    "iptable_mangle nf_conntrack_netlink xt_comment xt_conntrack xt_addrtype xt_mark xt_nat "
    "xt_MASQUERADE xt_tcpudp xt_set xt_physdev xt_statistic xt_recent xt_nfacct ipt_REJECT "
    "ip_set_hash_ip ip_set_hash_ipport ip_set_hash_ipportip ip_set_hash_ipportnet "
    "ip_set_bitmap_port ip_vs ip_vs_rr xt_ipvs"
)
"""What labs ask for, loaded in one go; xt_tcpudp is not found by the names tcp and udp."""


class Uml:
    """One User-Mode Linux: how to start it, and how to interrupt it."""

    kind: Final = "uml"
    filesystem: Final = "hostfs"

    def __init__(self) -> None:
        """Look for the program and its modules.

        Raises:
            MissingFeature: it is not installed.
        """
        program = shutil.which(PROGRAM, path=search_path())
        if program is None:
            raise MissingFeature("kernel uml", found=f"{PROGRAM} is not on PATH", remedy=REMEDY)
        folders = sorted(MODULES.glob("*/modules.dep"))
        if not folders:
            raise MissingFeature("kernel uml", found=f"{MODULES} is empty", remedy=REMEDY)
        self._program = program
        self.modules = str(folders[-1].parent)
        self.wanted = tuple(WANTED.split())

    def command(self, folder: Path, init: Path) -> list[str]:
        """The command that boots it; its console is the file ``console`` of the exchange."""
        return [
            self._program,
            f"mem={_memory()}",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={init}",
            # The exchange holds its socket: nothing is left in the user's ~/.uml.
            f"uml_dir={folder}/",
            f"umid={NAME}",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            "loglevel=4",
            "panic=-1",
            f"initcall_blacklist={','.join(NOT_NEEDED)}",
        ]

    def interrupt(self, folder: Path) -> None:
        """Press Ctrl-Alt-Del, which its first process gets as SIGINT."""
        text = b"cad"
        request = MCONSOLE.pack(MAGIC, VERSION, len(text), text)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind("")
            sock.sendto(request, str(folder / NAME / "mconsole"))


def _memory() -> str:
    """Half of what is free, within reason."""
    if given := os.environ.get(MEMORY):
        return given
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return f"{max(LEAST_MIB, min(MOST_MIB, free // 2))}M"
