"""A virtual machine with a distribution's own kernel: it has everything, nftables and IPVS in one.

Where the processor's help is of use (KVM) it is used, else qemu computes every instruction.

Source: qemu-system-x86_64(1); https://www.qemu.org/docs/master/system/devices/isa-debug-exit.html
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature
from labkit.kernel import process
from labkit.kernel.guest.bzimage import unpacked
from labkit.kernel.guest.initramfs import initramfs
from labkit.kernel.guest.memory import memory_mib
from labkit.kernel.guest.uml import WANTED
from labkit.kernel.tools import search_path

KERNEL: Final = "LABKIT_QEMU_KERNEL"
"""Names the kernel in the environment: ``/boot/vmlinuz-6.1.0-1-amd64``."""
PROGRAM: Final = "qemu-system-x86_64"
REMEDY: Final = "apt-get install qemu-system-x86 linux-image-amd64"
FIRST: Final = ("crc32c_generic",)
"""ip_vs and nf_tables ask for it by a name that modules.dep does not know."""
EXTRA: Final = (
    "nft_compat nft_chain_nat nft_ct nft_fib_ipv4 nft_masq nft_nat nft_numgen nft_reject_ipv4 "
    "sch_netem"
)
"""What a User-Mode Linux has not got. For each module that a transaction of nft asks for, the
kernel begins anew: what is not loaded here costs seconds."""
OPTIONS: Final = "trans=virtio,version=9p2000.L,msize=524288,cache=none"
KVM: Final = Path("/dev/kvm")
KVM_LIMIT_S: Final = 2.0
"""It says its word in a tenth of a second: what takes longer is not worth having."""
PATIENCE: Final = 4.0
"""For a machine whose every instruction is computed, on a host that has other work too."""
SWITCH_OFF: Final = bytes((0xBA, 0xF4, 0x00, 0xB0, 0x10, 0xEE, 0xF4, 0xEB, 0xFD))
"""mov dx, 0xf4; mov al, 0x10; out dx, al; hlt: a whole program, that ends qemu."""


class Qemu:
    """One virtual machine: how to start it, and how to interrupt it."""

    kind: Final = "qemu"

    def __init__(self) -> None:
        """Look for the program, a kernel, and its modules.

        Raises:
            MissingFeature: one of them is missing.
            UsageError: the environment asks for memory that is no size.
        """
        program = shutil.which(PROGRAM, path=search_path())
        if program is None or platform.machine() != "x86_64":
            raise MissingFeature("kernel qemu", found=f"{PROGRAM} is not on PATH", remedy=REMEDY)
        self._program = program
        self._kernel, self.modules = _kernel()
        self.wanted = (*FIRST, *WANTED.split(), *EXTRA.split())
        self.memory_mib = memory_mib()

    @property
    def patience(self) -> float:
        """How many times longer than usual to wait for a sign of life."""
        return 1.0 if has_kvm(self._program) else PATIENCE

    def exchange(self, _folder: Path) -> tuple[str, str, str]:
        """Source, kind and options of the mount that is the exchange."""
        return "exchange", "9p", OPTIONS

    def command(self, folder: Path, init: Path) -> list[str]:
        """The command that boots it; its console is its stdout.

        Raises:
            MissingFeature: the kernel lacks a module.
        """
        disk = folder / "initramfs"
        disk.write_bytes(initramfs(self.modules, init))
        kernel = self._kernel
        accel = "kvm" if has_kvm(self._program) else "tcg"
        if accel == "tcg" and (image := unpacked(kernel.read_bytes())):
            kernel = folder / "vmlinux"
            kernel.write_bytes(image)
        return [
            self._program,
            *("-accel", accel, "-cpu", "host" if accel == "kvm" else "max,la57=off"),
            *("-m", str(self.memory_mib), "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-monitor", "none", "-serial", "stdio"),
            *("-kernel", str(kernel), "-initrd", str(disk)),
            *("-append", "console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr"),
            *_share("root", Path("/"), "readonly=on,multidevs=remap"),
            *_share("exchange", folder, "multidevs=remap"),
        ]

    def interrupt(self, folder: Path) -> None:
        """Nothing: the first process looks for the signal by itself."""


def _share(name: str, folder: Path, options: str) -> list[str]:
    path = str(folder).replace(",", ",,")
    device = f"local,id={name},path={path},security_model=none,{options}"
    return ["-fsdev", device, "-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]


def _kernel() -> tuple[Path, str]:
    """A kernel and the folder of its modules: the one that is named, else the newest that has them.

    Raises:
        MissingFeature: there is none.
    """
    named = os.environ.get(KERNEL)
    candidates = [Path(named)] if named else sorted(Path("/boot").glob("vmlinuz-*"), reverse=True)
    for kernel in candidates:
        release = kernel.name.partition("-")[2]
        for root in (kernel.absolute().parent.parent, Path("/"), Path("/usr")):
            modules = root / "lib/modules" / release
            if kernel.is_file() and (modules / "modules.dep").is_file():
                return kernel, str(modules)
    found = f"{KERNEL}={named}" if named else "/boot"
    raise MissingFeature(
        "kernel qemu",
        found=f"{found} is no kernel with its modules (lib/modules/…/modules.dep beside boot/)",
        remedy=f"{REMEDY}; or name one: {KERNEL}=/boot/vmlinuz-…",
    )


@functools.cache
def has_kvm(program: str) -> bool:
    """Whether the processor helps, and fast: asked of a machine that only switches itself off."""
    if not os.access(KVM, os.R_OK | os.W_OK):
        return False
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(SWITCH_OFF.ljust(510, b"\0") + b"\x55\xaa")
        disk.flush()
        machine = ["-accel", "kvm", "-nodefaults", "-display", "none", "-no-reboot"]
        drive = ["-drive", f"file={disk.name},format=raw,if=floppy,readonly=on"]
        off = ["-device", "isa-debug-exit,iobase=0xf4"]
        try:
            done = subprocess.run(
                process.watched([program, *machine, *drive, *off]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=KVM_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0x10 << 1 | 1
