"""``labkit bench``: what labs, probes and rules cost here, beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from labkit.cli.benching import (
    FORMATS,
    Asked,
    NamesType,
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
from labkit.manifest.kinds import PROXY_MODES
from labkit.manifest.problems import nearest, quote

PODS: Final = (10, 100, 500, 1000, 2000)
NODES: Final = (1, 20, 50)
BRIDGE_PORTS: Final = 1023
SHORT: Final = 70
HOSTS: Final = 30
TABLE: Final = 50
SERVICES: Final = (10, 100, 1000, 5000, 10_000)
CONNECTS: Final = 101
QUICK_CONNECTS: Final = 11
"""Connections whose median is one number."""
PROBE: Final = ("epoll", "labkit", "udp", "asyncio", "process", "mininet")
SYNC: Final = ("iptables", "nftables", "ipvs")
RULES: Final = ("iptables-nft", "iptables-legacy", "nftables", "ipvs", "kube-proxy", "by-hand")
HELD: Final = ("lab", "up", "python", "exec", "true")
FUZZ: Final = ("new", "one", "processes")
CLUSTERS: Final = 200
LAB: Final = ("floor", "labkit", "whole", "ip-batch", "mininet", "munet")


class Benchmarks(click.Group):
    """Says of a benchmark that there is none which one may be meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            remedy = nearest(args[0], list(self.commands))
            ctx.fail(f"there is no benchmark {quote(args[0])}; {remedy}")
        return super().resolve_command(ctx, args)


@click.group(cls=Benchmarks)
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
            f"no lab has --pods {_list(pods)} on --nodes {_list(nodes)}: a node has at least one "
            f"pod and at most {BRIDGE_PORTS}, as a Linux bridge has no more ports; give others"
        )
    rounds = Rounds(count=asked.round_count(5), seed=asked.seed)
    cells = [
        LabCell(pods=p, nodes=n, only=only, slow_up_to=slow_up_to, rounds=rounds)
        for p, n in fitting
    ]
    options = {
        "pods": _list(pods),
        "nodes": _list(nodes),
        "slow-up-to": str(slow_up_to),
        "only": ",".join(only),
    }
    sweep = Sweep(bench="lab", sizes="pods", cells=cells, rounds=rounds.count, options=options)
    return sweep.measure(asked)


@command.command("probe")
@click.option(
    "--hosts",
    type=click.IntRange(2, 1000),
    help=f"Hosts whose pairs are asked. Default: {HOSTS}.",
)
@click.option(
    "--services",
    type=click.IntRange(1, 1000),
    help=f"Services whose whole flow table is asked. Default: {TABLE}.",
)
@only_option(PROBE)
@bench_options
def probe(hosts: int | None, services: int | None, only: tuple[str, ...], asked: Asked) -> int:
    """Probes a second, and how long each takes.

    All pairs of some hosts on one LAN, then the whole flow table of some Services on two nodes.
    Beside a bare select.epoll client over the same namespaces, which is the least that Python can
    do, a bare asyncio client, a process for each probe, and Mininet's pingAll where that is
    installed.

    \b
    labkit bench probe --quick
    labkit bench probe --hosts 30 --services 50 --only labkit,epoll
    """  # noqa: D301
    from labkit.bench.contest import Rounds
    from labkit.bench.probe.matrix import MatrixCell
    from labkit.bench.probe.pairs import PairsCell

    hosts = hosts or (3 if asked.quick else HOSTS)
    services = services or (1 if asked.quick else TABLE)
    rounds = Rounds(count=asked.round_count(9), seed=asked.seed, warm_up=True)
    sweep = Sweep(
        bench="probe",
        sizes="flows",
        cells=[
            PairsCell(hosts=hosts, only=only, rounds=rounds),
            MatrixCell(services=services, only=only, rounds=rounds),
        ],
        rounds=rounds.count,
        options={"hosts": str(hosts), "services": str(services), "only": ",".join(only)},
    )
    return sweep.measure(asked)


@command.command("sync")
@sizes_option("--services", SERVICES, "How many Services with three endpoints each.")
@click.option(
    "--dataplane",
    "dataplanes",
    type=NamesType(SYNC, "data plane"),
    default=SYNC,
    show_default=",".join(SYNC),
    help="Data planes that take turns.",
)
@click.option(
    "--iptables",
    "backends",
    type=NamesType(("nft", "legacy"), "backend"),
    default=("nft", "legacy"),
    show_default="nft,legacy",
    help="Backends of the data plane iptables.",
)
@click.option(
    "--kube-proxy",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A real kube-proxy that takes part.",
)
@click.option(
    "--proxy-mode",
    type=click.Choice(PROXY_MODES),
    default="iptables",
    show_default=True,
    help="Its mode.",
)
@only_option(RULES)
@bench_options
def sync(
    services: tuple[int, ...] | None,
    dataplanes: tuple[str, ...],
    backends: tuple[str, ...],
    kube_proxy: Path | None,
    proxy_mode: str,
    only: tuple[str, ...],
    asked: Asked,
) -> int:
    """What the rules of many Services cost: to install, to change, to go through.

    Install is render and apply, beside the same text given to iptables-restore or nft by hand. Then
    a Service is added and an endpoint changed, and connections are made to the first, the middle
    and the last Service. A data plane that the kernel lacks is left out; --kernel uml has IPVS.
    With --kube-proxy the real one takes part.

    \b
    labkit bench sync --quick
    labkit bench sync --services 10,1000,10000 --dataplane nftables --rounds 3
    labkit bench sync --kernel uml --dataplane ipvs,iptables --iptables legacy
    """  # noqa: D301
    from labkit.bench.contest import Rounds
    from labkit.bench.sync.cell import SyncCell
    from labkit.bench.sync.planes import chosen_planes

    services = services or ((10,) if asked.quick else SERVICES)
    planes = chosen_planes(dataplanes, backends, proxy_mode if kube_proxy else "", only)
    if not planes:
        raise UsageError(
            f"--only {','.join(only)} leaves nobody of --dataplane {','.join(dataplanes)}"
        )
    rounds = Rounds(count=asked.round_count(5), seed=asked.seed)
    connects = QUICK_CONNECTS if asked.quick else CONNECTS
    sweep = Sweep(
        bench="sync",
        sizes="Services",
        cells=[
            SyncCell(
                services=count,
                planes=planes,
                kube_proxy=kube_proxy,
                connects=connects,
                rounds=rounds,
            )
            for count in services
        ],
        rounds=rounds.count,
        options={
            "services": _list(services),
            "planes": ",".join(plane.name for plane in planes),
            "connects": str(connects),
        },
    )
    return sweep.measure(asked)


@command.command("held")
@only_option(HELD)
@bench_options
def held(only: tuple[str, ...], asked: Asked) -> int:
    """Labs that stay: labkit up and labkit exec, as whole processes.

    Beside the lab alone, and the start of Python.

    \b
    labkit bench held --rounds 15
    """  # noqa: D301
    from labkit.bench.contest import Rounds
    from labkit.bench.held import HeldCell

    rounds = Rounds(count=asked.round_count(15), seed=asked.seed, warm_up=True)
    sweep = Sweep(
        bench="held",
        sizes="nodes",
        cells=[HeldCell(only=only, rounds=rounds)],
        rounds=rounds.count,
        options={"only": ",".join(only)},
    )
    return sweep.measure(asked)


@command.command("fuzz")
@click.option(
    "--clusters",
    type=click.IntRange(min=1),
    help=f"How many random clusters each tries. Default: {CLUSTERS}.",
)
@only_option(FUZZ)
@bench_options
def fuzz(clusters: int | None, only: tuple[str, ...], asked: Asked) -> int:
    """Random clusters a second, beside a new lab for each cluster.

    \b
    labkit bench fuzz --quick
    """  # noqa: D301
    from labkit.bench.contest import Rounds
    from labkit.bench.fuzz import FuzzCell

    clusters = clusters or (3 if asked.quick else CLUSTERS)
    rounds = Rounds(count=asked.round_count(3), seed=asked.seed)
    sweep = Sweep(
        bench="fuzz",
        sizes="clusters",
        cells=[FuzzCell(clusters=clusters, only=only, rounds=rounds)],
        rounds=rounds.count,
        options={"clusters": str(clusters), "only": ",".join(only)},
    )
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
    _each.short_help = _each.get_short_help_str(SHORT)
    _each.help = example_first(_each.help or "")
