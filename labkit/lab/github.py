"""What a step of a GitHub workflow knows of itself, by its environment.

Source: docs.github.com, "Variables reference": "Default environment variables".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SUMMARY: Final = "GITHUB_STEP_SUMMARY"
_WORKSPACE: Final = "GITHUB_WORKSPACE"


def on_github() -> bool:
    """Whether this is a step of a GitHub workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def summary_file() -> Path | None:
    """The file that a step adds its part of the job's summary to."""
    name = os.environ.get(SUMMARY)
    return Path(name) if name else None


def in_repository(file: str) -> str:
    """Return a file as GitHub knows it: by its path in the repository."""
    workspace, whole = os.environ.get(_WORKSPACE), Path(file).absolute()
    if workspace and whole.is_relative_to(workspace):
        return str(whole.relative_to(workspace))
    return file
