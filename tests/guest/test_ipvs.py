"""The tests that need IPVS, run in a guest where this machine has none."""

from __future__ import annotations

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.features import require
from labkit.kernel.netns import Edge
from tests.guest.guests import ROOT, run_labkit

FILES = {
    "rules": ("test_dataplane_ipvs.py", "test_truth.py", "test_masquerade_table.py"),
    "changes": sorted(path.name for path in (ROOT / "tests" / "lab").glob("test_changes*.py")),
}
"""Of tests/lab; each part has a guest, and its time, of its own."""


@pytest.mark.needs_uml
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", FILES)
def test_what_needs_ipvs_passes_in_a_guest(part: str) -> None:
    if _has_ipvs():
        pytest.skip("this kernel has IPVS: the tests run here")

    required = ("--labkit-require", "ip_vs", "--labkit-require", "ipvs match")
    files = (f"tests/lab/{name}" for name in FILES[part])
    done = run_labkit("test", "--kernel", "uml", "-p", "no:xdist", *required, "-k", "ipvs", *files)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "skipped" not in done.stdout
    assert " passed" in done.stdout


def _has_ipvs() -> bool:
    try:
        with Edge() as edge:
            require(edge, ["ip_vs"])
    except MissingFeature:
        return False
    return True
