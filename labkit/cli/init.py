"""``labkit init``: a scenario to start from, a pytest file, and what an editor needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from itertools import count
from pathlib import Path
from shlex import quote as shell_word
from typing import Final

import click

from labkit.errors import UsageError
from labkit.manifest.problems import quote

DEFAULT: Final = "lab.yaml"
SCHEMA: Final = "labkit.schema.json"
SUFFIXES: Final = (".yaml", ".yml")


@click.command()
@click.argument("path", metavar="[DIR|FILE]", default=".", type=click.Path(path_type=Path))
def command(path: Path) -> None:
    """Write a scenario to start from, a pytest file, and the JSON Schema for your editor.

    Nothing is overwritten. DIR gets a lab.yaml; FILE is the scenario's own name, and ends in .yaml.

    \b
    labkit init labs
    labkit init labs/nodeport.yaml
    """  # noqa: D301
    scenario = _scenario(path)
    texts = _texts(scenario)
    new = {file: text for file, text in texts.items() if not _is_there(file, text)}
    try:
        scenario.parent.mkdir(parents=True, exist_ok=True)
        for file, text in new.items():
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: {error.strerror}; name a folder that you can write to"
        ) from error
    for file in new:
        click.echo(f"wrote {file}")
    click.echo(f"next: labkit run {shell_word(str(scenario))}")
    click.echo(f"      pytest {shell_word(str(scenario.parent))}")


def _scenario(path: Path) -> Path:
    """The scenario that an argument means.

    Raises:
        UsageError: it is the name of another kind of file, or none that can be written down.
    """
    if not str(path).isprintable():
        raise UsageError(f"{quote(str(path))} has characters that cannot be shown; leave them out")
    if path.suffix in SUFFIXES and not path.is_dir():
        return path
    if path.suffix and not path.is_dir():
        meant = path.with_suffix(".yaml")
        raise UsageError(f"{path} is no name of a YAML file; labkit init {shell_word(str(meant))}")
    return path / DEFAULT


def _texts(scenario: Path) -> Mapping[Path, str]:
    """What to write, by file."""
    starter = files("labkit.cli") / "starter"
    name = re.sub(r"[^a-z0-9]+", "-", scenario.stem.lower()).strip("-") or "lab"
    module = re.sub(r"\W+", "_", scenario.stem, flags=re.ASCII).strip("_") or "lab"
    yaml = (starter / "scenario.yaml").read_text(encoding="utf-8")
    python = (starter / "pytest.txt").read_text(encoding="utf-8")
    return {
        scenario: yaml.replace("NAME", name).replace("FILE", shell_word(scenario.name)),
        scenario.with_name(f"test_{module}.py"): python.replace(
            '"FILE"', json.dumps(scenario.name, ensure_ascii=False)
        ),
        scenario.with_name(SCHEMA): _schema(),
    }


def _schema() -> str:
    from labkit.manifest.schema import schema

    return json.dumps(schema(), indent=2) + "\n"


def _is_there(file: Path, text: str) -> bool:
    """Whether a file need not be written: the schema, for another scenario beside it.

    Raises:
        UsageError: the file is there, and is to stay as it is.
    """
    if not (file.exists() or file.is_symlink()):
        return False
    if file.name != SCHEMA:
        raise UsageError(
            f"{file} exists already; give another name: labkit init {shell_word(_free_name(file))}"
        )
    if not file.is_file() or file.read_bytes() != text.encode():
        raise UsageError(
            f"{file} exists and is not this labkit's; write it anew: "
            f"labkit schema > {shell_word(str(file))}"
        )
    return True


def _free_name(file: Path) -> str:
    """A scenario's name beside a file that is not taken."""
    names = (file.with_name(f"lab{number}.yaml") for number in count(2))
    free = (name for name in names if not name.exists())
    return str(next(each for each in free if not each.with_name(f"test_{each.stem}.py").exists()))
