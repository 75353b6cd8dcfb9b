from __future__ import annotations

import gzip
import lzma
import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.guest import qemu
from labkit.kernel.guest.bzimage import PVH_ENTRY, unpacked
from labkit.kernel.guest.initramfs import initramfs
from labkit.kernel.guest.modules import Modules
from labkit.kernel.guest.qemu import KERNEL, Qemu

ELF = b"\x7fELF" + bytes(1000) + PVH_ENTRY
DEPENDENCIES = """kernel/net/9p/9pnet.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/virtio.ko.xz
kernel/virtio.ko.xz:
kernel/virtio_pci.ko.xz: kernel/virtio.ko.xz
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz
"""


def image(payload: bytes) -> bytes:
    """A kernel as boot loaders take it: one sector, one more of set-up, then what is packed."""
    head = bytearray(2 * 512)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 0x40, len(payload))
    return bytes(head) + bytes(0x40) + payload + b"behind it"


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress], ids=["xz", "gzip"])
def test_a_packed_kernel_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    # Linux writes the size of what is packed behind it.
    assert unpacked(image(pack(ELF) + struct.pack("<I", len(ELF)))) == ELF


@pytest.mark.parametrize(
    "what",
    [
        image(lzma.compress(b"\x7fELF without the note")),
        image(b"\x28\xb5\x2f\xfd zstd"),
        image(b"\xfd7zXZ" + bytes(100)),
        b"no kernel at all",
        b"",
    ],
    ids=["no entry for qemu", "packed otherwise", "broken", "something else", "empty"],
)
def test_a_kernel_that_cannot_be_started_unpacked_is_left_packed(what: bytes) -> None:
    assert unpacked(what) is None


def test_modules_come_after_what_they_need_and_once(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(DEPENDENCIES)

    files = Modules(str(tmp_path)).files(["virtio-pci", "9pnet_virtio", "9p", "built_in"])

    assert [Path(file).name for file in files] == [
        *("virtio.ko.xz", "virtio_pci.ko.xz", "9pnet.ko.xz", "9pnet_virtio.ko.xz", "9p.ko.xz")
    ]


def test_the_initial_ram_disk_holds_modules_in_their_order_and_an_interpreter_that_runs(
    tmp_path: Path,
) -> None:
    (tmp_path / "modules.dep").write_text(DEPENDENCIES)
    for line in DEPENDENCIES.splitlines():
        file = tmp_path / line.partition(":")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lzma.compress(file.name.encode()))

    files = read_archive(initramfs(str(tmp_path), Path("/x/init")))

    modules = {name: data for name, data in files.items() if name.startswith("modules/")}
    assert list(modules.values()) == [
        *(b"virtio.ko.xz", b"virtio_pci.ko.xz", b"9pnet.ko.xz", b"9pnet_virtio.ko.xz", b"9p.ko.xz")
    ]
    assert files["start"] == b"/x/init"
    interpreter = files["init"].split()[0][3:].decode()
    assert files[interpreter][:4] == b"\x7fELF"
    linker = next(name for name in files if Path(name).name.startswith("ld-linux"))
    assert {str(Path("/", linker).resolve()), "/init"} <= {
        *(str(Path("/", name).resolve()) for name in files)
    }


def read_archive(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + n * 8 : at + 14 + n * 8], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = data[at + 110 : at + 110 + length - 1].decode()
        begin = at + 110 + length + -(110 + length) % 4
        if name == "TRAILER!!!":
            return found
        found[name] = data[begin : begin + size]
        at = begin + size + -size % 4


def test_a_kernel_without_its_modules_is_refused_with_the_command_that_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "qemu-system-x86_64"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    kernel = tmp_path / "boot" / "vmlinuz-0.1"
    kernel.parent.mkdir()
    kernel.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(KERNEL, str(kernel))

    with pytest.raises(MissingFeature, match="apt-get install qemu-system-x86 linux-image-amd64"):
        Qemu()


def test_cpio_reads_the_archive(tmp_path: Path) -> None:
    if subprocess.run(["which", "cpio"], capture_output=True, check=False).returncode:
        pytest.skip("cpio is not installed")
    (tmp_path / "modules.dep").write_text("")

    done = subprocess.run(
        ["cpio", "--list", "--quiet"],
        input=initramfs(str(tmp_path), Path("/x")),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\ninit\n" in done.stdout


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A machine that has a /dev/kvm and a qemu that does what a shell script says."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(qemu, "KVM", device)
    qemu.has_kvm.cache_clear()

    def program(script: str) -> str:
        path = tmp_path / "qemu"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return program


@pytest.mark.parametrize(
    ("script", "accelerator"),
    [("exit 33", "kvm"), ("exit 1", "tcg"), ("exit 0", "tcg"), ("exec sleep 60", "tcg")],
    ids=["it switches itself off", "it refuses", "it ends otherwise", "it hangs"],
)
def test_the_processor_is_asked_for_help_only_where_it_helps_fast(
    kvm: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, script: str, accelerator: str
) -> None:
    monkeypatch.setattr(qemu, "KVM_LIMIT_S", 0.2 if "sleep" in script else 10.0)

    assert ("kvm" if qemu.has_kvm(kvm(script)) else "tcg") == accelerator


def test_the_processor_is_asked_once(kvm: Callable[[str], str], tmp_path: Path) -> None:
    program = kvm(f"echo asked >> {tmp_path}/log; exit 33")

    assert qemu.has_kvm(program)
    assert qemu.has_kvm(program)
    assert (tmp_path / "log").read_text() == "asked\n"


def test_a_machine_without_kvm_is_not_started_to_see(
    kvm: Callable[[str], str], tmp_path: Path
) -> None:
    qemu.KVM.unlink()

    assert not qemu.has_kvm(kvm(f"echo asked >> {tmp_path}/log; exit 33"))
    assert not (tmp_path / "log").exists()


def test_a_killed_labkit_leaves_no_machine_that_was_asked(
    kvm: Callable[[str], str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "started")
    program = kvm(f"echo $$ > {tmp_path}/started; exec sleep 60")
    code = (
        "from labkit.kernel.guest import qemu\n"
        f"qemu.KVM, qemu.KVM_LIMIT_S = {str(qemu.KVM)!r}, 60\n"
        f"qemu.has_kvm({program!r})\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", code])
    ended = os.pidfd_open(int((tmp_path / "started").read_text()))

    asking.kill()
    asking.wait()

    ready, *_ = select.select([ended], [], [], 10.0)
    assert ready == [ended]
    os.close(ended)
