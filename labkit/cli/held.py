"""What commands about labs that stay have in common: the lab is asked, its reports are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.cli.options import LabOptions, Output, Paper, terminal, write
from labkit.errors import UsageError

if TYPE_CHECKING:
    from labkit.holder.protocol import Report, Request, Texts


def texts_of(lab: str, request: Request) -> Texts:
    """Ask a lab for what is answered in texts.

    Raises:
        LabkitError: there is no such lab, or it cannot do what is asked.
    """
    from labkit.holder.client import ask_for
    from labkit.holder.protocol import Texts

    return ask_for(lab, request, Texts)


def tell(lab: str, request: Request) -> None:
    """Ask a lab for a change, and print what was changed."""
    for text in texts_of(lab, request).texts:
        click.echo(text)


def reports_for(outputs: Sequence[Output]) -> list[Report]:
    """The reports to ask for, each as its reader can show it."""
    from labkit.holder.protocol import Report

    papers = [
        terminal() if each.file is None else Paper(color=False, unicode=True) for each in outputs
    ]
    return [
        Report(format=output.format, color=paper.color, unicode=paper.unicode)
        for output, paper in zip(outputs, papers, strict=True)
    ]


def write_reports(outputs: tuple[Output, ...], texts: Sequence[str]) -> None:
    """Write each report to where it was asked for.

    Raises:
        UsageError: a file cannot be written.
    """
    for output, text in zip(outputs, texts, strict=True):
        write((output,), lambda _format, _paper, text=text: text)  # type: ignore[misc]


def is_lab(path: Path) -> bool:
    """Whether an argument that can be a file is the name of a lab that stays, see `labs_among`."""
    return bool(labs_among([path]))


def refuse_options(lab: str, given: Mapping[str, object]) -> None:
    """Refuse options that say how a lab is built: this one is.

    Args:
        lab: its name.
        given: the options' values by their names; what is false was not given.

    Raises:
        UsageError: there is one.
    """
    if wrong := [name for name, value in given.items() if value]:
        raise UsageError(f"{wrong[0]} is for building, and lab {lab} is up; give its file instead")


def labs_among(paths: Sequence[Path]) -> list[str]:
    """The labs that arguments name: those without a suffix or a folder that are a lab's name.

    So `nodeport-cluster` is the lab, if it runs, and `nodeport-cluster.yaml` and
    `labs/nodeport-cluster` are files.

    Raises:
        UsageError: it could be a lab's name only, and no such lab runs.
    """
    from labkit.holder.state import no_lab, open_folder

    words = [str(path) for path in paths if path.name == str(path) and not path.suffix]
    if not words:
        return []
    with open_folder() as folder:
        running = folder.labs()
    for word in words:
        if word not in running and not Path(word).exists():
            raise no_lab(word, running)
    return [word for word in words if word in running]


def refuse_what_builds(lab: str, options: LabOptions) -> None:
    """Refuse options of `LabOptions` that say how a lab is built: this one is.

    Raises:
        UsageError: there is one.
    """
    given = {
        "--dataplane": options.dataplane,
        "--iptables": options.iptables,
        "--kernel": options.kernel != "auto",
        "--rules": options.rules,
        "--kube-proxy": options.kube_proxy,
        "--proxy-mode": options.proxy_mode,
        "--only-services": options.only_services,
        "--rootless": options.rootless,
    }
    refuse_options(lab, given)
