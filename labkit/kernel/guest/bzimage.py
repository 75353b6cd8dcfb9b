"""Unpacks a kernel: it would unpack itself, but computed by qemu that takes seconds.

Source: Documentation/x86/boot.rst of the kernel ("payload_offset"), xen/interface/elfnote.h;
pvh.h of qemu: it starts an unpacked kernel that says where.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

MAGIC_AT: Final = 0x202
MAGIC: Final = b"HdrS"
"""Where a kernel for a boot loader is marked as one."""
SETUP_SECTORS_AT: Final = 0x1F1
PAYLOAD_AT: Final = 0x248
PAYLOAD: Final = struct.Struct("<II")
SECTOR: Final = 512
PVH_ENTRY: Final = struct.pack("<I", 18) + b"Xen\0"
"""XEN_ELFNOTE_PHYS32_ENTRY: the note without which qemu cannot start an unpacked kernel."""


def _gunzip(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data)


def _unxz(data: bytes) -> bytes:
    return lzma.LZMADecompressor().decompress(data)


UNPACK: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"\xfd7zXZ": _unxz,
    b"\x1f\x8b": _gunzip,
}


def unpacked(image: bytes) -> bytes | None:
    """Return the kernel that an image holds; None if qemu could not start that."""
    if image[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        return None
    offset, length = PAYLOAD.unpack_from(image, PAYLOAD_AT)
    begin = ((image[SETUP_SECTORS_AT] or 4) + 1) * SECTOR + offset
    payload = image[begin : begin + length]
    for magic, unpack in UNPACK.items():
        if payload.startswith(magic):
            try:
                kernel = unpack(payload)
            except (lzma.LZMAError, zlib.error):
                return None
            return kernel if PVH_ENTRY in kernel else None
    return None
