"""Sysctls of the network namespace that the calling thread is in.

Names are paths below /proc/sys, as ``net/ipv4/ip_forward``: which namespace's file that is depends
on the thread that opens it.

Source: proc(5), Documentation/networking/ip-sysctl.rst in the kernel.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from labkit.errors import KernelError, LabkitError, MissingFeature


def write_sysctls(where: str, values: Mapping[str, str], *, missing_ok: bool = False) -> None:
    """Set sysctls.

    Args:
        where: whose they are, for messages.
        values: by name.
        missing_ok: leave out those that this kernel does not have.

    Raises:
        MissingFeature: they are read-only here, or belong to a module that is not loaded.
        KernelError: the kernel refused for another reason.
    """
    for name, value in values.items():
        try:
            _write(name, value)
        except FileNotFoundError as error:
            if not missing_ok:
                raise _refused(where, name, value, error) from error
        except OSError as error:
            raise _refused(where, name, value, error) from error


def _write(name: str, value: str) -> None:
    descriptor = os.open(f"/proc/sys/{name}", os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _refused(where: str, name: str, value: str, error: OSError) -> LabkitError:
    request = f"{where}: set {name.replace('/', '.')} to {value}"
    if error.errno == errno.EROFS:
        return MissingFeature(
            "writable sysctls",
            found=f"{request}: /proc/sys is read-only",
            remedy="start this container with --privileged",
        )
    if error.errno == errno.ENOENT and name.startswith("net/bridge/"):
        return MissingFeature(
            "bridge netfilter",
            found=f"/proc/sys/{name} does not exist",
            remedy="as root: modprobe br_netfilter",
        )
    return KernelError(request, errno=error.errno or 0, message=error.strerror or str(error))
