"""What of tests/lab needs IPVS, run in guests where this machine has none.

Each part has a guest, and its time, of its own. Each is a file, too: pytest-xdist hands out files,
and these are the longest.
"""

from __future__ import annotations

from typing import Final, Literal

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.features import require
from labkit.kernel.netns import Edge
from tests.guest.guests import ROOT, run_labkit

Part = Literal["rules", "scenarios", "fuzz", "changes", "connections", "trace"]

CONNECTIONS: Final = (
    "test_changes_connections.py",
    "test_changes_flushed.py",
    "test_changes_terminating.py",
)
FILES: Final = {
    "rules": ("test_dataplane_ipvs.py", "test_truth.py", "test_masquerade_table.py"),
    "scenarios": ("test_scenarios_as_specified.py",),
    "fuzz": ("test_fuzz.py", "test_fuzz_ipvs_mistakes.py"),
    "connections": CONNECTIONS,
    "trace": ("test_trace_right.py",),
    "changes": sorted(
        path.name
        for path in (ROOT / "tests" / "lab").glob("test_changes*.py")
        if path.name not in CONNECTIONS
    ),
}


def passes_in_a_guest(part: Part) -> None:
    """Run a part in a guest; none of it may be skipped there."""
    if has("ip_vs"):
        pytest.skip("this kernel has IPVS: the tests run here")

    required = ("--labkit-require", "ip_vs", "--labkit-require", "ipvs match")
    files = (f"tests/lab/{name}" for name in FILES[part])
    done = run_labkit("test", "--kernel", "uml", "-p", "no:xdist", *required, "-k", "ipvs", *files)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "skipped" not in done.stdout
    assert " passed" in done.stdout


def has(feature: str) -> bool:
    """Whether this machine's kernel has a feature."""
    try:
        with Edge() as edge:
            require(edge, [feature])
    except MissingFeature:
        return False
    return True
