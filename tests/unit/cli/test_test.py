from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cli.test import files_inside


@pytest.mark.parametrize(
    ("given", "inside", "files"),
    [
        (["tests/", "-q"], ["tests/", "-q"], []),
        (["--junitxml=a.xml"], ["--junitxml=/run/labkit/result0"], ["a.xml"]),
        (["--junit-xml", "a.xml", "t"], ["--junit-xml", "/run/labkit/result0", "t"], ["a.xml"]),
        (
            ["--log-file=a=b", "-k", "x", "--junitxml", "--junitxml"],
            ["--log-file=/run/labkit/result0", "-k", "x", "--junitxml", "/run/labkit/result1"],
            ["a=b", "--junitxml"],
        ),
        (["--junitxml"], ["--junitxml"], []),
    ],
    ids=["none", "with =", "apart", "several", "left to pytest to refuse"],
)
def test_files_that_pytest_writes_are_written_where_a_guest_can(
    given: list[str], inside: list[str], files: list[str]
) -> None:
    assert files_inside(given) == (inside, [Path(each) for each in files])
