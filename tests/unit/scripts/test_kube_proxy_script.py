"""scripts/kube-proxy: what is there is used, and a machine that cannot build goes without."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.real_kube_proxy import BUILT

SCRIPT = Path(__file__).parents[3] / "scripts/kube-proxy"
REFUSES = "#!/bin/sh\necho called >>\"$0.log\"\necho 'no such host' >&2\nexit 100\n"
BROKEN_OFF = "kube-proxy-build"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder that leads PATH, with an apt-get that cannot reach anything."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder / "apt-get", REFUSES)
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run(cache: Path, tools: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        [str(SCRIPT), *options], env=environment, capture_output=True, text=True, check=False
    )


def test_what_was_built_is_not_built_again(tmp_path: Path, tools: Path) -> None:
    kept = tmp_path / "labkit" / BUILT
    kept.parent.mkdir()
    program(kept, "#!/bin/sh\n")

    done = run(tmp_path, tools)

    assert (done.returncode, done.stdout) == (0, f"{kept}\n")
    assert not (tools / "apt-get.log").exists()


def test_a_machine_that_cannot_build_says_so_once(tmp_path: Path, tools: Path) -> None:
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        pytest.skip("the package debian-archive-keyring is not installed")
    (tmp_path / "labkit" / BROKEN_OFF / "path").mkdir(parents=True)

    first = run(tmp_path, tools, "--once")
    asked = (tools / "apt-get.log").read_text()
    second = run(tmp_path, tools, "--once")

    assert (first.returncode, first.stdout) == (3, "")
    assert "it could not be built here; tests of the real kube-proxy are skipped" in first.stderr
    assert (second.returncode, second.stdout) == (3, "")
    assert "make kube-proxy" in second.stderr
    assert (tools / "apt-get.log").read_text() == asked
    assert not (tmp_path / "labkit" / BROKEN_OFF).exists()


def test_without_apt_nothing_is_tried(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("flock", "mkdir", "sh"):
        (bare / name).symlink_to(f"/usr/bin/{name}")

    done = subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(bare), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "this system has no apt-get" in done.stderr
