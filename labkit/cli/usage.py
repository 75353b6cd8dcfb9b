"""What is wrong with a command line, in one line with the next command to try."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Final

import click
from click.exceptions import BadParameter, MissingParameter, NoSuchOption

from labkit.manifest.problems import nearest, quote

_NO_CHOICE: Final = re.compile(r"'(.*)' is not one of .*", re.DOTALL)
EXAMPLE: Final = "\b\n"
"""What click takes for a paragraph whose lines stay as they are: here those are examples."""


def sentence(error: click.UsageError) -> str:
    """Return an error of click's in labkit's words: what was found, and what to do."""
    context = error.ctx
    command = context.command_path if context else "labkit"
    if isinstance(error, MissingParameter) and context:
        pieces = " ".join(context.command.collect_usage_pieces(context))
        return f"{_name(error)} is missing; give {command} {pieces}"
    return f"{_found(error)}; see {command} --help"


def example_first(text: str) -> str:
    """Return a command's help with its examples before everything else."""
    paragraphs = cleandoc(text).split("\n\n")
    examples = [each for each in paragraphs if each.startswith(EXAMPLE)]
    others = [each for each in paragraphs if not each.startswith(EXAMPLE)]
    return "\n\n".join([*examples, *others])


def _found(error: click.UsageError) -> str:
    if isinstance(error, NoSuchOption):
        close = sorted(error.possibilities or ())
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"there is no option {quote(error.option_name)}{hint}"
    if not isinstance(error, BadParameter):
        return error.message.rstrip(".")
    kind = error.param.type if error.param else None
    wrong = _NO_CHOICE.fullmatch(error.message)
    if wrong and isinstance(kind, click.Choice):
        remedy = nearest(wrong[1], [str(each) for each in kind.choices])
        return f"{_name(error)} '{quote(wrong[1])}' does not exist; {remedy}"
    return f"{_name(error)}: {error.message.rstrip('.')}"


def _name(error: BadParameter) -> str:
    """The option or argument as it is written."""
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return error.param.make_metavar(error.ctx) if error.param and error.ctx else "an argument"
