"""Connections that outlive a change, under ipvs."""

from __future__ import annotations

import pytest

from tests.guest.ipvs_parts import passes_in_a_guest


@pytest.mark.needs_uml
@pytest.mark.timeout(600)
def test_connections_are_kept_in_a_guest_with_ipvs() -> None:
    passes_in_a_guest("connections")
