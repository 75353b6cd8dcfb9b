"""A real kube-proxy in IPVS mode, in a guest where this machine has no IPVS."""

from __future__ import annotations

import json

import pytest

from labkit.kernel.tools import which
from tests.guest.guests import run_labkit
from tests.real_kube_proxy import kube_proxy


@pytest.mark.needs_uml
@pytest.mark.timeout(300)
def test_a_real_kube_proxy_serves_in_ipvs_mode() -> None:
    program = str(kube_proxy())
    options = ("--kernel", "uml", "--kube-proxy", program, "--proxy-mode", "ipvs")

    done = run_labkit("run", "-q", "-o", "json", *options, "scenarios/nodeport-local.yaml")

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (scenario,) = json.loads(done.stdout)["scenarios"]
    assert scenario["kernel"]["kind"] == "uml"
    assert scenario["rules"].endswith(", ipvs mode")
    # Which mode it really runs in shows in what it does: IPVS keeps a node to its own endpoints.
    names = {check["name"]: check["passed"] for check in scenario["checks"]}
    assert names["a node that calls itself reaches every pod"]


@pytest.mark.needs_uml
@pytest.mark.timeout(300)
def test_its_rules_in_ipvs_mode_are_read_back() -> None:
    if which("ipvsadm") is None:
        pytest.skip("ipvsadm is not on PATH; apt-get install ipvsadm")
    program = str(kube_proxy())
    options = ("--kernel", "uml", "--kube-proxy", program, "--proxy-mode", "ipvs")

    done = run_labkit("rules", *options, "--node", "node1", "scenarios/nodeport-cluster.yaml")

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "192.0.2." not in done.stdout
    for part in ("192.168.0.1:30080", "create KUBE-NODE-PORT-TCP", "-A KUBE-SERVICES"):
        assert part in done.stdout
