"""What the process that holds a lab does for those who ask: one answer for each request."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from labkit.errors import UsageError
from labkit.holder.names import HOSTS, named, short_name
from labkit.holder.netns_names import NetnsNames
from labkit.holder.protocol import (
    Answered,
    Apply,
    Asked,
    Check,
    Delete,
    Describe,
    Description,
    Draw,
    Enter,
    Entered,
    Explain,
    Inventory,
    Logs,
    Manifests,
    Matrix,
    Names,
    Objects,
    Printed,
    Probe,
    Probed,
    Report,
    Rules,
    Texts,
    Trace,
)
from labkit.holder.turns import Asker, Turns
from labkit.lab import targets
from labkit.lab.evidence import evidence_of
from labkit.lab.lab import Lab
from labkit.lab.runs import Request, evidence_for, exit_status, judged
from labkit.manifest.difference import fresh
from labkit.manifest.key import Key
from labkit.manifest.kinds import Scenario, Workload
from labkit.manifest.known import known_of
from labkit.manifest.load import with_text
from labkit.manifest.loaded import Identity, Loaded
from labkit.manifest.problems import Finding, raise_if_any
from labkit.manifest.tree import plain
from labkit.probe.advice import of_lab
from labkit.probe.expected import explain
from labkit.probe.table import FlowTable
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report import (
    render_explanations,
    render_inventory,
    render_results,
    render_tables,
)
from labkit.report.evidence import Evidence
from labkit.report.graph import render_graph
from labkit.report.paths import render_paths
from labkit.report.pcapng import pcapng


class Showing(TypedDict):
    """What the reader of a report can show."""

    color: bool
    unicode: bool


class Holder:
    """Answers requests about one lab, from any thread; changes and probes take turns."""

    def __init__(
        self, name: str, lab: Lab, request: Request, names: NetnsNames | None = None
    ) -> None:
        """Take a running lab.

        Args:
            name: what it is called.
            lab: the lab.
            request: what it was built from.
            names: its names in /run/netns, if it is to have any.
        """
        self._name = name
        self._lab = lab
        self._request = request
        self._names = names
        self._turns = Turns(lab.interrupt)
        self._since = time.monotonic()
        self._link()

    def leave(self, asker: Asker) -> None:
        """Give up what somebody has asked for who waits no more."""
        self._turns.leave(asker)

    def answer(self, asked: Asked, asker: Asker) -> tuple[Answered, Sequence[int]]:
        """Return the answer, and descriptors to hand over with it: to be closed then.

        Args:
            asked: what.
            asker: by whom, see `leave`.

        Raises:
            LabkitError: what was asked for cannot be, or is given up.
        """
        match asked:
            case Enter(host=host):
                return Entered(), self._namespaces(host)
            case Describe():
                return self.description(), ()
            case Names():
                return named(self._lab.cluster, self._lab.scenario), ()
            case Logs():
                return Printed(logs=dict(self._lab.logs())), ()
            case Explain() | Rules() | Inventory() | Draw() | Manifests():
                return self._told(asked), ()
        # A change is done whole, whoever waits for it.
        waits = None if isinstance(asked, Apply | Delete) else asker
        with self._turns.taken(waits):
            return self._in_turn(asked), ()

    def _told(self, asked: Explain | Rules | Inventory | Draw | Manifests) -> Answered:
        """Say what is known without a packet."""
        cluster = self._lab.cluster
        match asked:
            case Explain(source=source, to=to, protocol=protocol, report=report):
                found = explain(cluster, targets.parse(cluster, source, to, protocol))
                shown = render_explanations([found], report.format, **_showing(report))
                return Texts(texts=[shown])
            case Inventory(what=what, report=report):
                return Texts(texts=[render_inventory(cluster, what, **_showing(report))])
            case Rules(nodes=nodes):
                asked_for = nodes or list(cluster.node_by_name)
                return Texts(texts=[self._lab.rules(each) for each in asked_for])
            case Draw(formats=formats):
                return Texts(texts=[render_graph(cluster, each) for each in formats])
            case Manifests():
                return Objects(objects=[_manifest(each) for each in self._lab.scenario.objects])

    def _in_turn(self, asked: Apply | Delete | Matrix | Check | Probe | Trace) -> Answered:
        match asked:
            case Apply(file=file, content=content):
                return Texts(texts=self._apply(file, content))
            case Delete(kind=kind, name=name):
                _refuse_replica(self._lab.scenario, kind, name)
                self._lab.remove(kind, name)
                self._link()
                return Texts(texts=[f"{kind}/{name} deleted"])
            case Matrix(sources=sources, attempts=attempts, reports=reports):
                table = self._lab.matrix(sources, attempts=attempts)
                shown = [evidence_of(self._lab, table=table)] if _has_page(reports) else []
                return Texts(texts=[_table_text(table, shown, each) for each in reports])
            case Probe(source=source, to=to, protocol=protocol, attempts=attempts):
                cluster = self._lab.cluster
                named = targets.by_name(cluster, targets.target_in(cluster, to))
                row = self._lab.row(source, to, protocol=protocol, attempts=attempts)
                return Probed(row=row, to=named)
            case Check(attempts=attempts, reports=reports):
                return self._checked(attempts, reports)
            case Trace():
                return self._traced(asked)

    def _link(self) -> None:
        if self._names:
            self._names.become(self._lab.netns_fds())

    def _namespaces(self, host: str) -> Sequence[int]:
        net, mounts = self._lab.namespaces(host)
        return net, mounts, os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)

    def description(self) -> Description:
        """What lab it is."""
        cluster = self._lab.cluster
        return Description(
            name=self._name,
            holder=os.getpid(),
            file=self._lab.scenario.path,
            dataplane=cluster.dataplane,
            rules=self._lab.rules_source,
            nodes=list(cluster.node_by_name),
            clients=list(cluster.client_by_name),
            pods=list(cluster.pod_by_name),
            services=[service.key.shown for service in cluster.services],
            age_s=time.monotonic() - self._since,
        )

    def _apply(self, file: str, content: bytes) -> Sequence[str]:
        before = self._lab.scenario
        after = with_text(before, content, file=file)
        new = fresh(before.objects, after.objects)
        there = known_of(before).by_identity
        _refuse_other_hosts(there, new, self._name)
        self._lab.become(after)
        self._link()
        return [f"{_shown(each)} {_became(each, there.get(each.identity))}" for each in new]

    def _traced(self, asked: Trace) -> Texts:
        traced = self._lab.trace(
            asked.source,
            asked.to,
            protocol=asked.protocol,
            attempts=asked.attempts,
            packets=asked.packets,
        )
        texts = [
            render_paths(traced.paths, each.format, color=each.color, unicode=each.unicode)
            for each in asked.reports
        ]
        capture = pcapng(traced.captured, traced.paths) if asked.capture else b""
        return Texts(texts=texts, capture=capture)

    def _checked(self, attempts: int | None, reports: Sequence[Report]) -> Texts:
        asked = replace(self._request, scenario=self._lab.scenario, attempts=attempts)
        found = judged(self._lab, asked, began=time.monotonic())
        results = [replace(found, checks=tuple(map(self._advised, found.checks)))]
        shown = [evidence_for(self._lab, results[0])] if _has_page(reports) else []
        texts = [_results_text(results, shown, each) for each in reports]
        return Texts(texts=texts, status=exit_status(results))

    def _advised(self, check: CheckResult) -> CheckResult:
        """A Check with a command about this lab: its file may say something else by now."""
        return replace(check, command=check.command and of_lab(check.command, self._name))


def _refuse_other_hosts(there: Mapping[Identity, Loaded], new: Sequence[Loaded], name: str) -> None:
    """Refuse nodes, clients and networks that are others than those of the running lab.

    Raises:
        ManifestError: with the place of each.
    """
    message = "a lab keeps its hosts and network while it runs"
    remedy = f"leave it out, or build the lab again: labkit down {name}"
    raise_if_any(
        each.problem(Finding((), message, remedy))
        for each in new
        if each.kind in HOSTS and _became(each, there.get(each.identity)) != "unchanged"
    )


def _refuse_replica(scenario: Scenario, kind: str, name: str) -> None:
    """Refuse to take a workload's pod away: a cluster would make it again.

    Raises:
        UsageError: it is one, with what to do instead.
    """
    for each in scenario.objects:
        workload = each.value
        if kind != "Pod" or not isinstance(workload, Workload):
            continue
        key = each.key
        owned = range(1, workload.spec.replicas + 1)
        if name in {Key(key.namespace, workload.replica_name(number)).shown for number in owned}:
            raise UsageError(
                f"pod {name} is a replica of {_shown(each)}, which would make it again; apply that"
                f" with fewer replicas, or delete {_shown(each)}"
            )


def _manifest(loaded: Loaded) -> Mapping[str, Any]:
    found = plain(loaded.root)
    return found if isinstance(found, dict) else {}


def _showing(report: Report) -> Showing:
    return {"color": report.color, "unicode": report.unicode}


def _became(loaded: Loaded, before: Loaded | None) -> str:
    """What has become of an applied object, in the words of kubectl apply."""
    if before is None:
        return "created"
    return "unchanged" if before.value == loaded.value else "configured"


def _shown(loaded: Loaded) -> str:
    return f"{loaded.kind}/{short_name(loaded)}"


def _has_page(reports: Sequence[Report]) -> bool:
    return any(each.format == "html" for each in reports)


def _table_text(table: FlowTable, evidence: Sequence[Evidence], report: Report) -> str:
    return render_tables([table], report.format, evidence=evidence, **_showing(report))


def _results_text(
    results: Sequence[ScenarioResult], evidence: Sequence[Evidence], report: Report
) -> str:
    return render_results(results, report.format, evidence=evidence, **_showing(report))
