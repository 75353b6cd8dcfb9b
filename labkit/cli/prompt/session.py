"""Does what lines of the prompt ask: of the lab's holder, or as a program in a host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import click

from labkit.cli.ending import complain
from labkit.cli.held import reports_for, texts_of
from labkit.cli.options import Output
from labkit.cli.probe import probed, verdict
from labkit.cli.prompt import curl, save
from labkit.cli.prompt.line import Asked, OnHost, first_command, program, read
from labkit.cli.prompt.program import run
from labkit.cli.prompt.verbs import VERBS, Verb, overview
from labkit.errors import LabError, LabkitError, UsageError
from labkit.holder.client import GREETING_S, ask_for, describe
from labkit.holder.protocol import Inventory, Manifests, Named, Names, Objects, Probed
from labkit.holder.state import open_folder
from labkit.manifest.kinds import Target
from labkit.manifest.problems import nearest
from labkit.probe.flow import Outcome
from labkit.report.text import clean, plural

INTERRUPTED: Final = 130
TABLE: Final = (Output("table", None),)
TABLES: Final = ("pods", "services", "nodes", "hosts")
LEAVE: Final = "exit"


class Flow(NamedTuple):
    """A flow that was asked for, and what became of it then."""

    source: str
    to: str
    protocol: str
    outcomes: frozenset[Outcome] | None
    """One of these; None if that was not to be seen."""


class Session:
    """One session at the prompt of a lab; owns what was asked in it."""

    def __init__(self, lab: str, *, terminal: bool) -> None:
        """Take a lab.

        Args:
            lab: its name.
            terminal: whether somebody sits there, so that programs get the terminal.
        """
        self.lab = lab
        self.lines: list[str] = []
        self._terminal = terminal
        self._flows: list[Flow] = []
        self._verbs: Mapping[str, Callable[[Sequence[str]], int]] = {
            "probe": self._probe,
            "rules": self._rules,
            "conntrack": self._conntrack,
            "kill": self._kill,
            "save": self._save,
            "history": self._history,
            "help": self._help,
            **{what: partial(self._table, what) for what in TABLES},
        }

    def known(self, *, within_s: float = GREETING_S) -> Named:
        """The lab's names.

        Args:
            within_s: how long the lab may take to say them.

        Raises:
            LabkitError: the lab is gone, or does not answer.
        """
        return ask_for(self.lab, Names(), Named, within_s=within_s)

    def do(self, line: str) -> int:
        """Do what a line asks, say what goes wrong, and return its exit status."""
        if line.strip():
            self.lines.append(line.strip())
        try:
            return self._do(read(line, self.known().hosts))
        except click.exceptions.Exit as ended:
            return ended.exit_code
        except click.ClickException as error:
            hint = f"; help {line.split(maxsplit=1)[0]}"
            click.echo(f"labkit: {error.format_message()}{hint}", err=True)
            return error.exit_code
        except LabkitError as error:
            return complain(error)
        except KeyboardInterrupt:
            click.echo("", err=True)
            return INTERRUPTED

    def _do(self, asked: Asked | OnHost | None) -> int:
        if asked is None:
            return 0
        if isinstance(asked, OnHost):
            return self._on_host(asked)
        if asked.words[:1] in (["-h"], ["--help"]):
            return self._help([asked.verb])
        if VERBS[asked.verb].command:
            return self._command(asked.verb, asked.words)
        return self._verbs[asked.verb](asked.words)

    def _on_host(self, asked: OnHost) -> int:
        if asked.text:
            status = run(self.lab, asked.host, program(asked.text), terminal=self._terminal)
            words = first_command(asked.text)
            seen = curl.outcomes(status)
            for to in curl.targets(words):
                self._flows.append(Flow(asked.host, to, "TCP", seen))
            return status
        if not self._terminal:
            raise UsageError(f"say what to run on {asked.host}: {asked.host} COMMAND")
        shell = os.environ.get("SHELL") or "/bin/sh"
        return run(self.lab, asked.host, [shell], terminal=True)

    def _command(self, verb: str, words: Sequence[str]) -> int:
        """Run the labkit command of that name on this lab."""
        context = _context(verb, [self.lab, *words])
        with context:
            status = context.command.invoke(context)
        return status if isinstance(status, int) else 0

    def _probe(self, words: Sequence[str]) -> int:
        given = _context("probe", [self.lab, *words]).params
        given.pop("quiet")
        seen = probed(**given)
        click.echo(verdict(seen), nl=False)
        outcome = frozenset({seen.row.outcome})
        self._flows.append(Flow(given["source"], given["to"], given["protocol"], outcome))
        return int(seen.row.agrees is False)

    def _rules(self, words: Sequence[str]) -> int:
        return self._command("rules", [each for node in words for each in ("--node", node)])

    def _conntrack(self, words: Sequence[str]) -> int:
        node, arguments = words[:1], words[1:]
        if not node:
            raise UsageError("say of which node: conntrack NODE")
        hosts = self.known().hosts
        if node[0] not in hosts:
            raise UsageError(f"host {node[0]} is not in lab {self.lab}; {nearest(node[0], hosts)}")
        listing = ["conntrack", *(arguments or ["-L"])]
        return run(self.lab, node[0], listing, terminal=self._terminal)

    def _kill(self, words: Sequence[str]) -> int:
        if not words:
            raise UsageError("say which pods: kill POD")
        return self._command("delete", [f"pod/{pod}" for pod in words])

    def _table(self, what: str, words: Sequence[str]) -> int:
        _none(what, words)
        (report,) = reports_for(TABLE)
        click.echo("".join(texts_of(self.lab, Inventory(what=what, report=report)).texts), nl=False)
        return 0

    def _history(self, words: Sequence[str]) -> int:
        _none("history", words)
        for number, line in enumerate(self.lines, start=1):
            click.echo(f"{number:4}  {clean(line)}")
        return 0

    def _help(self, words: Sequence[str]) -> int:
        if not words:
            click.echo(overview(), nl=False)
            return 0
        verb = VERBS.get(words[0])
        if verb is None:
            raise UsageError(f"there is no verb {words[0]}; {nearest(words[0], VERBS)}")
        click.echo(f"{verb.usage}\n  {verb.says}")
        for names, text in _options(verb):
            click.echo(f"  {names:24}{text}")
        return 0

    def _save(self, words: Sequence[str]) -> int:
        files = [word for word in words if word not in {"--force", "-f"}]
        if len(files) != 1 or Path(files[0]).suffix not in {".yaml", ".yml", ".py"}:
            raise UsageError("say where to: save FILE.yaml for a scenario, save FILE.py for pytest")
        path = Path(files[0])
        render = save.pytest_text if path.suffix == ".py" else save.scenario_text
        with open_folder() as folder:
            there = describe(folder, self.lab)
        objects = ask_for(self.lab, Manifests(), Objects).objects
        lab = save.Lab(
            name=there.name, dataplane=there.dataplane, rules=there.rules, objects=objects
        )
        seen = self._seen_now()
        _write(path, render(lab, seen), over=len(files) < len(words))
        click.echo(f"{path}: the lab as it is now, and {plural(len(seen), 'flow')} of this session")
        _tell_rules(there.rules, path)
        return 0

    def _seen_now(self) -> list[save.Seen]:
        """Probe every flow of this session once more, and say which have become others."""
        found: dict[tuple[str, Target, str], save.Seen] = {}
        for flow in self._flows:
            try:
                seen = probed(self.lab, flow.source, flow.to, flow.protocol, None)
            except UsageError as error:
                click.echo(f"labkit: {flow.source} to {flow.to} is left out: {error}", err=True)
                continue
            key = (flow.source, seen.to, flow.protocol)
            if key not in found:
                found[key] = save.Seen(row=seen.row, to=seen.to)
                _tell_change(flow, seen)
        return list(found.values())


def _tell_rules(rules: str, path: Path) -> None:
    """Say what a saved file does not hold: rules that are not labkit's own."""
    from labkit.lab.dumps import RENDERED

    if rules not in {RENDERED, "none"}:
        click.echo(
            f"labkit: this lab's rules are not labkit's own ({rules}); run {path} with the options"
            " that labkit up was given",
            err=True,
        )


def _tell_change(before: Flow, now: Probed) -> None:
    if before.outcomes is not None and now.row.outcome not in before.outcomes:
        was = " or ".join(sorted(before.outcomes))
        click.echo(
            f"labkit: {before.source} to {before.to} was {was} and is {now.row.outcome} now: that"
            " is what is saved",
            err=True,
        )


def _context(verb: str, words: Sequence[str]) -> click.Context:
    command: click.Command = import_module(f"labkit.cli.{verb}").command
    return command.make_context(verb, list(words))


def _options(verb: Verb) -> Iterator[tuple[str, str]]:
    """The verb's options as the labkit command of that name explains them, a line each."""
    if not verb.options or find_spec(f"labkit.cli.{verb.name}") is None:
        return
    command: click.Command = import_module(f"labkit.cli.{verb.name}").command
    with click.Context(command, info_name=verb.name) as context:
        for option in command.params:
            record = option.get_help_record(context)
            if record and set(option.opts).intersection(verb.options):
                yield record


def _none(verb: str, words: Sequence[str]) -> None:
    if words:
        raise UsageError(f"{verb} takes no arguments, found {words[0]}; help {verb}")


def _write(path: Path, text: str, *, over: bool) -> None:
    try:
        with path.open("w" if over else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; save {path} --force writes over it") from None
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}; name another file") from error
