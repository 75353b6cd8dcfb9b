"""``labkit bench``: what labs, probes and rules cost here, beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from labkit.cli.benching import (
    FORMATS,
    Asked,
    Sweep,
    bench_options,
    check_outputs,
    only_option,
    sizes_option,
    write_report,
)
from labkit.cli.options import Output, output_option_for
from labkit.cli.usage import example_first
from labkit.errors import UsageError
from labkit.manifest.problems import nearest, quote

PODS: Final = (10, 100, 500, 1000, 2000)
NODES: Final = (1, 20, 50)
BRIDGE_PORTS: Final = 1023
LAB: Final = ("floor", "labkit", "whole", "ip-batch", "mininet", "munet")


@click.group()
def command() -> None:
    """Measure what labs, probes and rules cost on this machine, beside others.

    Contestants take turns, in an order that --seed chooses; tables show the median of the rounds,
    the fastest and the slowest, and the median of the rounds' ratios to a measure. Nothing touches
    the machine's network.

    \b
    labkit bench lab --quick
    labkit bench sync --services 10,1000 -o table -o svg=sync.svg
    labkit bench report stored.json -o markdown
    """  # noqa: D301


@command.command("lab")
@sizes_option("--pods", PODS, "How many pods, for each lab.")
@sizes_option("--nodes", NODES, "Over how many nodes.")
@click.option(
    "--slow-up-to",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="PODS",
    help="Leave out ip -batch, Mininet and munet above; they have one node.",
)
@only_option(LAB)
@bench_options
def lab(
    pods: tuple[int, ...] | None,
    nodes: tuple[int, ...] | None,
    slow_up_to: int,
    only: tuple[str, ...],
    asked: Asked,
) -> int:
    """Set-up and tear-down of labs: seconds, memory, file descriptors.

    Beside the netlink floor: the same hosts by one unshare and one netlink message each. Mininet
    and munet take part where they are installed. Each is in a process and namespaces of its own.

    \b
    labkit bench lab --quick
    labkit bench lab --pods 100,1000 --nodes 1,50 --only labkit,floor
    """  # noqa: D301
    from labkit.bench.contest import Rounds
    from labkit.bench.lab.cell import LabCell

    pods = pods or ((3,) if asked.quick else PODS)
    nodes = nodes or ((1,) if asked.quick else NODES)
    fitting = [(p, n) for p in pods for n in nodes if n <= p <= n * BRIDGE_PORTS]
    if not fitting:
        raise UsageError(
            f"no lab has --pods {_list(pods)} on --nodes {_list(nodes)}: there are at most "
            f"{BRIDGE_PORTS} pods on a node, as a Linux bridge has no more ports, and at least one"
        )
    rounds = Rounds(count=asked.round_count(5), seed=asked.seed)
    cells = [
        LabCell(pods=p, nodes=n, only=only, slow_up_to=slow_up_to, rounds=rounds)
        for p, n in fitting
    ]
    options = {"pods": _list(pods), "nodes": _list(nodes), "slow-up-to": str(slow_up_to)}
    sweep = Sweep(bench="lab", sizes="pods", cells=cells, rounds=rounds.count, options=options)
    return sweep.measure(asked)


@command.command("report")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="What to show of what was measured, instead of all; may be given more than once.",
)
@output_option_for(FORMATS)
def report(files: tuple[Path, ...], metrics: tuple[str, ...], outputs: tuple[Output, ...]) -> None:
    """Show stored results again: as tables, Markdown or a picture.

    A picture shows what matters most of each benchmark, or what --metric names.

    \b
    labkit bench report lab.json sync.json
    labkit bench report sync.json --metric install -o svg=install.svg
    """  # noqa: D301
    from labkit.bench.results import from_json
    from labkit.bench.tables import metrics_of

    check_outputs(outputs)
    reports = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
        reports.append(from_json(data, where=str(file)))
    known = list(dict.fromkeys(name for each in reports for name in metrics_of(each)))
    for name in metrics:
        if name not in known:
            raise UsageError(f"nothing called {quote(name)} was measured; {nearest(name, known)}")
    write_report(reports, outputs, metrics=metrics)


def _list(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))


for _each in command.commands.values():
    _each.help = example_first(_each.help or "")
