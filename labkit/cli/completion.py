"""``labkit completion``: what a shell needs to complete labkit's command lines."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets a shell complete commands, options, labs, hosts and Services.

    \b
    echo 'eval "$(labkit completion bash)"' >>~/.bashrc
    echo 'eval "$(labkit completion zsh)"' >>~/.zshrc
    labkit completion fish >~/.config/fish/completions/labkit.fish

    New shells have it then.
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    from labkit.cli import COMPLETE, PROGRAM, cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} cannot be completed by this version of click")
    completing = kind(cli, {}, PROGRAM, COMPLETE)
    # Not source(): that runs bash to ask for its version, and this may be for another machine.
    click.echo(completing.source_template % completing.source_vars())
