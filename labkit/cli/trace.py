"""``labkit trace``: the path of a flow's packets, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from labkit.cli import completing
from labkit.cli.held import labs_among, refuse_what_builds, reports_for, texts_of, write_reports
from labkit.cli.labs import everywhere, load_scenarios, requests_for
from labkit.cli.options import (
    LabOptions,
    Output,
    dataplanes,
    lab_options_with,
    output_option_for,
    protocol_option,
    write,
)
from labkit.cli.progress import progress
from labkit.errors import UsageError
from labkit.report.paths import PATH_FORMATS

if TYPE_CHECKING:
    from labkit.lab.runs import Question, Request
    from labkit.lab.tracing import Traced

CAPTURE: Final = "pcapng"


@click.command()
@click.argument(
    "scenario",
    metavar="FILE|NAME",
    shell_complete=completing.labs_or_files,
    type=click.Path(path_type=Path),
)
@click.argument("source", metavar="FROM", shell_complete=completing.hosts)
@click.argument("to", metavar="TO", shell_complete=completing.targets)
@protocol_option
@click.option(
    "--packets",
    type=click.IntRange(min=1),
    metavar="N",
    help="Follow the first N packets of an attempt, instead of those that tell its story: the "
    "request, the answer, and what the source says to a stranger who answers.",
)
@click.option(
    "--pcap",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write every captured packet there as pcapng, with comments, for Wireshark.",
)
@lab_options_with(
    click.option(
        "--attempts",
        type=click.IntRange(min=1, max=1000),
        default=1,
        show_default=True,
        help="Try so many times, one after the other; those that go the same way are one path.",
    ),
    output_option_for(PATH_FORMATS),
)
def command(
    scenario: Path,
    source: str,
    to: str,
    protocol: str,
    packets: int | None,
    pcap: Path | None,
    options: LabOptions,
) -> None:
    """Follow a flow's packets through the lab: every hop, what changed, and which rule did it.

    FROM is a client, node or pod. TO is NODE:PORT, SERVICE:PORT, POD:PORT or ADDRESS:PORT.
    NAME is a lab that stays, see labkit up. The exit status is 0 whatever becomes of the packets.

    \b
    labkit trace scenarios/nodeport-cluster.yaml client node2:30080
    labkit trace scenarios/nodeport-without-snat.yaml client node2:30080 -o mermaid
    """  # noqa: D301
    from labkit.lab.runs import Question

    question = Question(source, to, protocol.upper(), packets)
    if pcap is not None and not pcap.absolute().parent.is_dir():
        raise UsageError(f"--pcap {pcap}: {pcap.parent} is no folder; make it first")
    if labs_among([scenario]):
        _of_held(str(scenario), question, pcap, options)
        return
    planes = dataplanes(options.dataplane, options.kube_proxy)
    requests = requests_for(load_scenarios([scenario], options), planes, options)
    if pcap is not None:
        if len(requests) > 1:
            raise UsageError(f"--pcap {pcap} holds one capture, and {len(requests)} are asked for")
        # A guest hands over every file that it is told of.
        options = replace(options, outputs=(*options.outputs, Output(CAPTURE, pcap)))
    traced = everywhere(requests, lambda mine, _: _traced(mine, question), options)
    _report(traced, options.outputs)


def _traced(requests: Sequence[Request], question: Question) -> list[Traced]:
    from labkit.lab.runs import trace

    return [trace(request, question) for request in requests]


def _report(traced: Sequence[Traced], outputs: tuple[Output, ...]) -> None:
    from labkit.report.paths import render_paths

    paths = [path for each in traced for path in each.paths]
    texts = tuple(each for each in outputs if each.format != CAPTURE)
    write(texts, lambda fmt, paper: render_paths(paths, fmt, **paper._asdict()))
    for output in outputs:
        if output.format == CAPTURE and output.file is not None:
            from labkit.report.pcapng import pcapng

            _write_capture(output.file, pcapng(traced[0].captured, paths))


def _write_capture(file: Path, content: bytes) -> None:
    from labkit.kernel.guest.exchange import place_of

    try:
        place_of(file).write_bytes(content)
    except OSError as error:
        raise UsageError(f"--pcap {file}: {error.strerror}") from error


def _of_held(lab: str, question: Question, pcap: Path | None, options: LabOptions) -> None:
    from labkit.holder.protocol import Trace

    refuse_what_builds(lab, options)
    request = Trace(
        source=question.source,
        to=question.to,
        protocol=question.protocol,
        attempts=options.attempts or 1,
        packets=question.packets,
        reports=reports_for(options.outputs),
        capture=pcap is not None,
    )
    with progress(lab, quiet=options.quiet):
        answer = texts_of(lab, request)
    write_reports(options.outputs, answer.texts)
    if pcap is not None:
        _write_capture(pcap, answer.capture)
