"""The kernel's counters of IPv4 packets that it discarded in a namespace.

Source: proc_net(5); snmp_counter.rst of the kernel's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from labkit.kernel.netns import Namespace

FILES: Final = (("snmp", "Ip"), ("netstat", "TcpExt"), ("netstat", "IpExt"))
"""Files of /proc/net, and the lines of them that count packets."""


def loss_counters(namespace: Namespace) -> Mapping[str, int]:
    """Return every counter by its name, as of now."""
    return namespace.run(_read)


def _read() -> dict[str, int]:
    # Not /proc/net: that is the main thread's namespace.
    folder = Path("/proc/thread-self/net")
    texts = {name: (folder / name).read_text() for name in dict.fromkeys(n for n, _ in FILES)}
    found: dict[str, int] = {}
    for name, group in FILES:
        lines = [line for line in texts[name].splitlines() if line.startswith(f"{group}:")]
        if len(lines) == 2:  # noqa: PLR2004 - the names, and the numbers below them
            names, numbers = (line.split()[1:] for line in lines)
            found.update((word, int(number)) for word, number in zip(names, numbers, strict=True))
    return found
