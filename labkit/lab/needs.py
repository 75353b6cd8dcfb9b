"""What a kernel must have for a scenario, beside what its data plane needs."""

from __future__ import annotations

from labkit.manifest.kinds import Scenario


def features_of(scenario: Scenario) -> frozenset[str]:
    """Features by their names in `labkit.kernel.features`: SCTP sockets, if anything speaks it."""
    asked = {located.check.spec.protocol for located in scenario.checks}
    served = {port.protocol for service in scenario.services for port in service.spec.ports}
    return frozenset({"sctp"} if "SCTP" in asked | served else ())
