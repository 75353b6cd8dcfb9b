"""The rules that the ipvs data plane installs."""

from __future__ import annotations

import pytest

from tests.guest.ipvs_parts import passes_in_a_guest


@pytest.mark.needs_uml
@pytest.mark.timeout(600)
def test_the_rules_are_right_in_a_guest_with_ipvs() -> None:
    passes_in_a_guest("rules")
