"""Observations, Checks and results to report on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from labkit.cluster.model import Protocol
from labkit.manifest.kinds import Check, CheckSpec, Expect, LabMeta, LocatedCheck, Target
from labkit.manifest.location import Location
from labkit.probe.flow import Flow, Observation, Outcome, Via
from labkit.probe.table import SCHEMA, FlowTable, HealthStatus, Kernel, flow_row
from labkit.probe.verdict import CheckResult, Context, ScenarioResult, judge

KERNEL = Kernel(kind="host", release="6.18.0")
NODE_PORT = Flow(
    source="client",
    service="default/my-nginx",
    port="http",
    via=Via.NODE_PORT,
    node="node2",
    address=IPv4Address("192.168.0.2"),
    dport=30080,
)
CLUSTER_IP = Flow(
    source="client",
    service="default/my-nginx",
    port="http",
    via=Via.CLUSTER_IP,
    address=IPv4Address("10.96.0.1"),
    dport=80,
)
DNS = Flow(
    source="node1",
    service="kube-system/dns",
    via=Via.POD_IP,
    address=IPv4Address("10.244.1.2"),
    dport=53,
    protocol=Protocol.UDP,
)


def seen(
    flow: Flow = NODE_PORT,
    outcomes: Mapping[Outcome, int] | None = None,
    backends: Mapping[str, int] | None = None,
    sources: Mapping[str, int] | None = None,
    words: Sequence[str] = (),
) -> Observation:
    counts = outcomes or {Outcome.CONNECTED: 20}
    return Observation(
        flow=flow,
        attempts=sum(counts.values()),
        outcomes=counts,
        backends=backends or {},
        sources_seen={IPv4Address(each): count for each, count in (sources or {}).items()},
        client_sources=tuple(words),
    )


def timeout(flow: Flow = CLUSTER_IP) -> Observation:
    return seen(flow, {Outcome.TIMED_OUT: 20})


def masqueraded() -> Observation:
    return seen(NODE_PORT, None, {"web-1": 20}, {"192.168.0.2": 20}, ["node2"])


def located(
    name: str,
    expect: Expect,
    *,
    source: str | list[str] = "client",
    to: Target | None = None,
    file: str = "scenarios/demo.yaml",
    line: int = 34,
) -> LocatedCheck:
    spec = CheckSpec(from_=source, to=to or Target(node="node2", port=30080), expect=expect)
    return LocatedCheck(
        check=Check(metadata=LabMeta(name=name), spec=spec),
        location=Location(file=file, line=line),
    )


def passing(name: str = "the pod sees node2") -> CheckResult:
    expect = Expect(outcome="connected", backends=["web-1"], client_source="node2")
    return judge(located(name, expect), [masqueraded()], elapsed_s=0.25)


def failing(name: str = "a cluster IP answers", file: str = "scenarios/demo.yaml") -> CheckResult:
    check = located(
        name, Expect(outcome="connected"), to=Target(service="my-nginx"), file=file, line=51
    )
    return judge(check, [timeout()], [Context()], elapsed_s=1.5)


def table(
    *observations: Observation,
    health_checks: tuple[HealthStatus, ...] = (),
    scenario: str = "demo",
) -> FlowTable:
    return FlowTable(
        schema=SCHEMA,
        scenario=scenario,
        dataplane="iptables",
        kernel=KERNEL,
        nodes={"node1": "192.168.0.1", "node2": "192.168.0.2"},
        clients={"client": "192.168.0.100"},
        health_checks=health_checks,
        flows=tuple(flow_row(observation) for observation in observations),
    )


def result(
    *checks: CheckResult,
    scenario: str = "demo",
    description: str = "What it shows.\nAnd more.",
    table: FlowTable | None = None,
    error: str | None = None,
) -> ScenarioResult:
    return ScenarioResult(
        scenario=scenario,
        path="scenarios/demo.yaml",
        dataplane="iptables",
        kernel=KERNEL,
        description=description,
        rules="labkit's renderer",
        checks=checks,
        table=table,
        error=error,
        elapsed_s=2.0,
    )
