"""Differences between data planes in words, the same for every format. Pure.

Nothing is escaped here, and nothing is left that `labkit.report.text.clean` would change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from labkit.probe.compare import Comparison, Difference, Origin
from labkit.probe.flow import Via
from labkit.probe.table import FlowRow
from labkit.probe.words import joined
from labkit.report.cells import Style
from labkit.report.text import clean, kernel_words, plural, shortened
from labkit.semantics.deviations import Deviation
from labkit.semantics.flows import CONNECTED, Prediction

UNNAMED: Final = "no name"
UNNAMED_SENTENCE: Final = (
    "No known deviation explains this: {before} or {after} did something else than their rules "
    "should."
)
UNSEEN_TITLE: Final = "No flow shows it, but this differs too"
AS_ABOVE: Final = "As above."
UNNAMED_ADVICE: Final = (
    "Do not move before you know why: compare the rules of the node (labkit rules) with those of a "
    "real one, and look at the pods that answer."
)
SOURCES_SHOWN: Final = 4
"""Names of sources on one line; beyond, how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Flows that changed in the same way."""

    flows: str
    """``pods on node3 (web-1) → LoadBalancer 203.0.113.7:80``."""
    before: str
    after: str
    note: str = ""
    """What was expected, where a difference has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What one deviation does to one Service."""

    name: str
    sentence: str
    advice: str
    source: str
    flows: int
    lines: tuple[Line, ...]
    told: bool = False
    """Whether its sentences stand under another Service already."""


class ServiceChanges(NamedTuple):
    """All that changes for one Service."""

    service: str
    causes: tuple[Cause, ...]


class _Change(NamedTuple):
    """What lines that belong together have in common."""

    where: str
    to: str
    before: str
    after: str
    note: str


def heading(found: Comparison, style: Style) -> str:
    """Return ``web: ipvs → nftables: 3 Services, 41 flows, 7 differ in 2 ways``."""
    way = f"{found.before.dataplane} {style.marks.arrow} {found.after.dataplane}"
    counts = f"{plural(found.services, 'Service')}, {plural(found.compared, 'flow')}"
    return clean(f"{found.scenario}: {way}: {counts}, {_how_many_differ(found)}")


def setting_lines(found: Comparison) -> tuple[str, ...]:
    """Return where each side was run, and a line for each address that the lab had to change."""
    sides = (_origin_words(found.before), _origin_words(found.after))
    return (*sides, *(clean(f"mapped: {each}") for each in found.mapped))


def _origin_words(origin: Origin) -> str:
    return clean(f"{origin.dataplane} on {kernel_words(origin.kernel)}, rules: {origin.rules}")


def changes(found: Comparison, style: Style) -> tuple[ServiceChanges, ...]:
    """Return what changes, by Service and cause; differences without a name come first.

    A flow with two causes is under both. What a cause means need not be said for every Service.
    """
    told: set[Deviation | None] = set()
    by_service: dict[str, dict[Deviation | None, list[Difference]]] = {}
    for each in found.differences:
        causes = by_service.setdefault(each.before.service, {})
        for cause in each.deviations or (None,):
            causes.setdefault(cause, []).append(each)
    return tuple(
        ServiceChanges(
            clean(service) or "no Service",
            tuple(_causes(found, causes, told, style)),
        )
        for service, causes in by_service.items()
    )


def endings(found: Comparison, style: Style) -> Iterator[str]:
    """Yield what is left to say: health checks, what could not be compared, what is the same."""
    for each in found.health:
        port = f"{each.before.service} {each.before.node}:{each.before.port}"
        yield clean(
            f"health check {port} answers {each.before.status} {style.marks.arrow} "
            f"{each.after.status}: there is no name for that"
        )
    for rows, side in ((found.only_before, found.before), (found.only_after, found.after)):
        if rows:
            shown = shortened([_flow(row, style) for row in rows], style.marks, SOURCES_SHOWN)
            were = "was" if len(rows) == 1 else "were"
            yield clean(
                f"{plural(len(rows), 'flow')} {were} probed under {side.dataplane} alone and could "
                f"not be compared: {'; '.join(shown)}"
            )
    same = found.compared - len(found.differences)
    yield f"{plural(same, 'flow')} {'does' if same == 1 else 'do'} not differ."


def unseen_causes(comparisons: Sequence[Comparison]) -> tuple[Cause, ...]:
    """Return what differs though no flow shows it, each once for all scenarios."""
    causes = [
        Cause(
            name=each.name,
            sentence=sentence(found, each),
            advice=advice(found, each),
            source=each.source,
            flows=0,
            lines=(),
        )
        for found in comparisons
        for each in found.unseen
        if each not in found.causes
    ]
    return tuple(dict.fromkeys(causes))


def sentence(found: Comparison, deviation: Deviation) -> str:
    """Return a deviation's sentence about these two data planes."""
    names = (found.before.dataplane, found.after.dataplane)
    having, lacking = names if deviation.trait in found.traits else names[::-1]
    return deviation.sentence.format(having=having, lacking=lacking)


def advice(found: Comparison, deviation: Deviation) -> str:
    """Return what to do before one moves this way."""
    return deviation.losing if deviation.trait in found.traits else deviation.winning


def totals(comparisons: Sequence[Comparison]) -> str:
    """Return ``2 comparisons, 64 flows: 7 differ, all by name``."""
    flows = sum(each.compared for each in comparisons)
    differ = sum(len(each.differences) for each in comparisons)
    unnamed = sum(len(each.unnamed) + len(each.health) for each in comparisons)
    what = f"{plural(len(comparisons), 'comparison')}, {plural(flows, 'flow')}"
    if not differ and not unnamed:
        return f"{what}: nothing differs"
    names = f"{unnamed} without a name" if unnamed else "all by name"
    return f"{what}: {differ} {'differs' if differ == 1 else 'differ'}, {names}"


def _how_many_differ(found: Comparison) -> str:
    count = len(found.differences)
    if not count:
        return "nothing differs"
    ways = len(found.causes) + bool(found.unnamed)
    in_ways = f" in {plural(ways, 'way')}"
    verb = "differs" if count == 1 else "differ"
    unnamed = f", {len(found.unnamed)} without a name" if found.unnamed else ""
    return f"{count} {verb}{in_ways}{unnamed}"


def _causes(
    found: Comparison,
    causes: Mapping[Deviation | None, Sequence[Difference]],
    told: set[Deviation | None],
    style: Style,
) -> Iterator[Cause]:
    names = {"before": found.before.dataplane, "after": found.after.dataplane}
    for cause in sorted(causes, key=lambda cause: cause is not None):
        differences = causes[cause]
        yield Cause(
            name=cause.name if cause else UNNAMED,
            sentence=sentence(found, cause) if cause else UNNAMED_SENTENCE.format(**names),
            advice=advice(found, cause) if cause else UNNAMED_ADVICE,
            source=cause.source if cause else "",
            flows=len(differences),
            lines=tuple(_lines(found, differences, style)),
            told=cause in told,
        )
        told.add(cause)


def _lines(found: Comparison, differences: Sequence[Difference], style: Style) -> Iterator[Line]:
    """Flows that changed alike on one line: same kind of source, same address, same words."""
    by_change: defaultdict[_Change, list[str]] = defaultdict(list)
    for each in differences:
        before, after = _pair(each, style)
        change = _Change(
            where=_where(found, each.before.source),
            to=_destination(each.before),
            before=before,
            after=after,
            note=_expected(found, each) if not each.deviations else "",
        )
        by_change[change].append(each.before.source)
    for change, sources in by_change.items():
        yield Line(
            flows=f"{_sources(change.where, sources, style)} {style.marks.arrow} {change.to}",
            before=change.before,
            after=change.after,
            note=change.note,
        )


def _where(found: Comparison, source: str) -> str:
    home = found.homes.get(source)
    return f"on {home}" if home else ""


def _sources(where: str, sources: Sequence[str], style: Style) -> str:
    names = list(dict.fromkeys(sources))
    if len(names) > SOURCES_SHOWN:
        names = [*names[: SOURCES_SHOWN - 1], f"{style.marks.more} {len(names)} in all"]
    who = clean(", ".join(names))
    if not where:
        return who
    return clean(f"{'pod' if len(sources) == 1 else 'pods'} {where} ({who})")


def _destination(row: FlowRow) -> str:
    protocol = "" if row.protocol == "TCP" else f"/{row.protocol}"
    # Every node has a 127.0.0.1: whose it is, the source tells.
    owner = f" of {row.node}" if row.node and row.address != "127.0.0.1" else ""
    return clean(f"{row.via or Via.POD_IP} {row.address}:{row.dport}{protocol}{owner}")


def _flow(row: FlowRow, style: Style) -> str:
    return f"{clean(row.source)} {style.marks.arrow} {_destination(row)}"


def _pair(each: Difference, style: Style) -> tuple[str, str]:
    before, after = each.before, each.after
    same = set(before.sources_seen) == set(after.sources_seen)
    # Words say more than addresses, unless two addresses have the same word.
    by_word = set(before.client_sources) != set(after.client_sources) or not after.sources_seen
    told = "" if same else ("word" if by_word or not before.sources_seen else "address")
    return _seen(before, told, style), _seen(after, told, style)


def _seen(row: FlowRow, told: str, style: Style) -> str:
    outcome = row.outcome.value
    if len(row.outcomes) > 1:
        outcome = joined([f"{name} {style.marks.times}{n}" for name, n in row.outcomes.items()])
    if not row.backends:
        return outcome
    who = ", ".join(shortened([clean(each) for each in row.backends], style.marks, style.limit))
    text = who if outcome == CONNECTED else f"{outcome}, {who}"
    sources = {"word": row.client_sources, "address": tuple(row.sources_seen)}.get(told, ())
    return f"{text}; source {clean(', '.join(sources))}" if sources else text


def _expected(found: Comparison, each: Difference) -> str:
    """What the two should have done, where labkit knows."""
    sides = {
        found.before.dataplane: each.reason.expected_before,
        found.after.dataplane: each.reason.expected_after,
    }
    parts = [f"{name}: {_predicted(known)}" for name, known in sides.items() if known]
    return clean(f"expected {'; '.join(parts)}") if parts else ""


def _predicted(prediction: Prediction) -> str:
    by_outcome: dict[str, list[str]] = {}
    for each in sorted(prediction.deliveries, key=lambda each: (each.outcome, each.backend or "")):
        shown = f"{each.backend} (source {each.source})" if each.source else each.backend
        by_outcome.setdefault(each.outcome, []).extend([shown] if shown else [])
    last = "or" if prediction.held else "and"
    texts = [
        (f"{joined(who, last)}" if outcome == CONNECTED and who else outcome)
        for outcome, who in by_outcome.items()
    ]
    return joined(texts, last)
