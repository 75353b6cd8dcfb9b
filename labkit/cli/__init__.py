"""The ``labkit`` command: one module per sub-command, imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "apply": "add to a lab that stays, or change it, by a file",
    "bench": "what labs, probes and rules cost here, beside others",
    "check": "the Checks of a lab that stays",
    "completion": "what bash, zsh or fish needs to complete labkit's names",
    "conformance": "how far a kube-proxy keeps to the specification",
    "delete": "take a Pod, Service or the like out of a lab that stays",
    "diff": "what changes for Services under another data plane",
    "doctor": "what this kernel and machine can do",
    "down": "end a lab that stays",
    "exec": "a program in a host of a lab that stays",
    "explain": "what the specification says of one flow, and why; no root needed",
    "fuzz": "random clusters against the specification",
    "graph": "the topology of a scenario, or of a lab that stays, as a picture",
    "init": "a scenario to start from, with a pytest file and what editors need",
    "logs": "what programs in the pods of a lab that stays have printed",
    "matrix": "the whole flow table of a scenario, or of a lab that stays",
    "probe": "one flow of a lab that stays, and whether it is as specified",
    "ps": "the labs that stay",
    "rules": "the rules of each node as text; no root needed",
    "run": "build each scenario, check it, report, gone",
    "schema": "JSON Schema of scenario files, for editors",
    "shell": "the prompt of a lab that stays, or your shell in one of its hosts",
    "test": "pytest, in a guest kernel if asked",
    "trace": "the path of a flow's packets, hop by hop",
    "up": "build a lab that stays",
}


PROGRAM: Final = "labkit"
COMPLETE: Final = "_LABKIT_COMPLETE"
"""The variable by which a shell asks for completions; click reads it."""


class LazyGroup(click.Group):
    """Imports the module of a sub-command only when that is asked for: --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        from labkit.cli.usage import example_first

        command: click.Command = import_module(f"labkit.cli.{cmd_name}").command
        command.help = example_first(command.help or "")
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from labkit.cli.usage import example_first

        self.help = example_first(self.help or "")
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        name = args[0] if args else ""
        if name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COMMANDS)}"
            ctx.fail(f"no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labkit", message="%(prog)s %(version)s")
def cli() -> None:
    """A small Kubernetes network on one machine, made of network namespaces.

    \b
    labkit init labs                              a scenario to start from
    labkit run scenarios/                         build and check every scenario
    labkit up scenarios/nodeport-cluster.yaml     a lab that stays: exec, matrix, apply, down
    labkit matrix scenarios/nodeport-local.yaml   who reaches what, seen as whom
    labkit rules scenarios/nodeport-local.yaml --node node1
    """  # noqa: D301 - click's \b keeps the lines as they are


NEW_OBJECTS: Final = 50_000
"""So many come before Python looks for cycles again, instead of 700.

Nearly all that a command makes lives as long as it does. To look through 10,000 Services again and
again was a fifth of the time that it takes to read and render them.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit status."""
    import gc

    from labkit.cli.ending import run_to_status

    gc.set_threshold(NEW_OBJECTS)

    sys.exit(run_to_status(cli, arguments))
