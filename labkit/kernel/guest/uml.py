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

from labkit.errors import LabError, MissingFeature
from labkit.kernel.guest.memory import LEAST_MIB, MEMORY, memory_mib
from labkit.kernel.tools import search_path

NAME: Final = "linux"
PROGRAM: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")
REMEDY: Final = "apt-get install user-mode-linux"
KERNEL: Final = "LABKIT_UML_KERNEL"
"""Names another program than ``linux.uml`` in the environment."""
MEMORY_FOLDERS: Final = ("/dev/shm", "/tmp", "/var/tmp")  # noqa: S108
"""Where the file may be that is the guest's memory; it has no name and leaves nothing."""
NOT_NEEDED: Final = ("raid6_select_algo", "calibrate_xor_blocks", "init_btrfs_fs")
"""Steps of the boot that try out the ways to compute RAID: 0.9 of its 1.5 s, and no lab has one."""
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
    patience: Final = 1.0

    def __init__(self) -> None:
        """Look for the program and its modules.

        Raises:
            MissingFeature: it is not installed.
            UsageError: the environment asks for memory that is no size.
        """
        wanted = os.environ.get(KERNEL) or PROGRAM
        program = shutil.which(wanted, path=search_path())
        if program is None:
            found = f"{wanted} is no program that can be run"
            raise MissingFeature("kernel uml", found=found, remedy=REMEDY)
        folders = sorted(MODULES.glob("*/modules.dep"))
        if not folders:
            raise MissingFeature("kernel uml", found=f"{MODULES} is empty", remedy=REMEDY)
        self._program = program
        self.memory_mib = memory_mib()
        self.modules = str(folders[-1].parent)
        self.wanted = tuple(WANTED.split())

    def exchange(self, folder: Path) -> tuple[str, str, str]:
        """Source, kind and options of the mount that is the exchange."""
        return "none", "hostfs", str(folder)

    def command(self, folder: Path, init: Path) -> list[str]:
        """The command that boots it; its console is the file ``console`` of the exchange.

        Raises:
            LabError: no folder has room for its memory.
        """
        return [
            *("env", f"TMPDIR={_memory_folder(self.memory_mib)}"),
            self._program,
            f"mem={self.memory_mib}M",
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


def _memory_folder(size_mib: int) -> str:
    """A folder with room for all of a guest's memory.

    It takes its memory from there as it needs it, and is killed (SIGBUS) if there is no more.

    Raises:
        LabError: there is none.
    """
    for folder in MEMORY_FOLDERS:
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        runs_programs = not found.f_flag & os.ST_NOEXEC  # it maps its memory executable
        room = found.f_bavail * found.f_frsize >> 20 > size_mib
        if runs_programs and room and os.access(folder, os.W_OK):
            return folder
    raise LabError(
        f"a guest's memory of {size_mib} MiB fits into none of {', '.join(MEMORY_FOLDERS)}: "
        f"free some of them, or set {MEMORY} to less, such as {LEAST_MIB}M"
    )
