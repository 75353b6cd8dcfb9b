"""Paths under ipvs agree with both ends."""

from __future__ import annotations

import pytest

from tests.guest.ipvs_parts import passes_in_a_guest


@pytest.mark.needs_uml
@pytest.mark.timeout(600)
def test_paths_tell_the_truth_in_a_guest_with_ipvs() -> None:
    passes_in_a_guest("trace")
