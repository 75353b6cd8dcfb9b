"""Errors cross from one process to another with everything that they carry."""

from __future__ import annotations

import pickle

import pytest

from labkit.errors import (
    CommandError,
    KernelError,
    LabError,
    LabkitError,
    ManifestError,
    MissingFeature,
    UsageError,
)
from labkit.manifest.load import load_text

ERRORS = [
    UsageError("no such host"),
    LabError("it broke"),
    MissingFeature("ip_vs", found="it is absent", remedy="modprobe ip_vs"),
    KernelError("add a link", errno=17, message="File exists"),
    CommandError(["nft", "-f", "-"], where="node1", returncode=1, stderr="no", stdin="text"),
]


def manifest_error() -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        load_text("kind: Lab")
    return caught.value


@pytest.mark.parametrize("error", [*ERRORS, manifest_error()], ids=lambda each: type(each).__name__)
def test_an_error_is_the_same_in_another_process(error: LabkitError) -> None:
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    assert arrived.exit_status == error.exit_status
