"""`labkit test`: pytest in a guest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labkit.kernel.guest.exchange import kernel_kind
from tests.guest.guests import finish, start

LABKIT_TEST = (sys.executable, "-m", "labkit", "test")
TESTS = """
import os
import pytest

def test_passes():
    assert os.environ.get("LABKIT_GUEST", "host") == "uml"

@pytest.mark.labkit_needs("ip_vs", "dummy")
def test_has_what_the_host_lacks():
    pass

@pytest.mark.labkit_needs("nftables")
def test_is_skipped():
    pass

def test_fails(tmp_path):
    assert tmp_path.iterdir() is None
"""


@pytest.mark.needs_uml
def test_tests_run_in_a_guest_and_their_report_comes_back(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    arguments = ["--kernel", "uml", "-p", "no:xdist", "-rs", "--junitxml", "report.xml"]

    done = finish(start([*LABKIT_TEST, *arguments, "test_some.py"], folder=tmp_path))

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed, 1 skipped" in done.stdout
    assert "nftables: " in done.stdout
    assert "Warning" not in done.stdout
    assert 'tests="4"' in (tmp_path / "report.xml").read_text()
    assert {each.name for each in tmp_path.iterdir()} == {"test_some.py", "report.xml"}


@pytest.mark.skipif(kernel_kind() != "host", reason="asks what happens on the host")
def test_on_the_host_it_is_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("def test_passes():\n    pass\n")

    done = finish(
        start([*LABKIT_TEST, "--kernel", "host", "-q", "-p", "no:cacheprovider"], folder=tmp_path)
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 passed" in done.stdout
