"""Every command that README and docs/ show is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.real_kube_proxy import kube_proxy

ROOT = Path(__file__).parent.parent.parent
PLAYED = ROOT / "docs/tutorial.md"
"""One session, block by block; test_tutorial.py types every command of it into a terminal."""
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {PLAYED})]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


UP: Final = "labkit up "


def shown_blocks() -> list[tuple[str, list[str]]]:
    """The commands of each block."""
    return [
        (page.name, [line[2:] for line in block.splitlines() if line.startswith("$ ")])
        for page in PAGES
        for block in BLOCK.findall(page.read_text())
    ]


def is_session(commands: list[str]) -> bool:
    """Whether they are about a lab that stays: then each is for what those before it have left."""
    return any(command.startswith(UP) for command in commands)


def shown_commands() -> list[tuple[str, str]]:
    return [
        (page, command)
        for page, commands in shown_blocks()
        if not is_session(commands)
        for command in commands
    ]


def shown_sessions() -> list[tuple[str, list[str]]]:
    return [(page, commands) for page, commands in shown_blocks() if is_session(commands)]


def path_with_kube_proxy(folder: Path) -> str:
    """PATH with a kube-proxy on it, as those have it who read of it."""
    (folder / "kube-proxy").symlink_to(kube_proxy())
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("page", "shown"), shown_commands())
def test_a_shown_command_works(page: str, shown: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(shown)
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    for folder in ("bench", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    if program == "make":
        # `make test` would run this very test: that its recipe can be made is what is asked here.
        command = ["make", "--dry-run", "--directory", str(ROOT), *arguments]
    else:
        own = {"pytest", "labkit", "python"}
        binaries = Path(sys.executable).parent
        command = [str(binaries / word) if word in own else word for word in (program, *arguments)]

    environment = (
        {**os.environ, "PATH": path_with_kube_proxy(tmp_path)}
        if ("kube-proxy" in shown and program == "labkit")
        else None
    )

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, f"{page}: {shown}\n{done.stdout}\n{done.stderr}"
    assert done.stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("page", "commands"), shown_sessions())
def test_a_shown_session_works(page: str, commands: list[str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    labkit = str(Path(sys.executable).parent / "labkit")
    try:
        for shown in commands:
            program, *arguments = shlex.split(shown)
            assert program == "labkit"
            done = subprocess.run(
                [labkit, *arguments],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{page}: {shown}\n{done.stdout}\n{done.stderr}"
            assert done.stdout
        left = list((tmp_path / "labkit").iterdir())
        assert left == [], f"{page}: a session ends with labkit down"
    finally:
        subprocess.run([labkit, "down", "--all"], env=environment, check=False)


def test_the_pages_show_commands() -> None:
    pages = {page for page, _ in shown_commands()}
    assert {"README.md", "commands.md", "scenarios.md", "pytest.md"} <= pages
    assert {"README.md", "exploring.md"} <= {page for page, _ in shown_sessions()}


@pytest.mark.parametrize(("page", "tests"), [("pytest.md", 2), ("fuzzing.md", 1)])
def test_the_python_of_a_page_passes(page: str, tests: int, tmp_path: Path) -> None:
    (code,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL
    )
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    (tmp_path / "test_page.py").write_text(code)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout


def test_the_scenario_of_the_scenarios_page_is_valid(tmp_path: Path) -> None:
    (text, *_rest) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs/scenarios.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "shown.yaml").write_text(text)

    done = subprocess.run(
        [str(Path(sys.executable).parent / "labkit"), "run", "shown.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
