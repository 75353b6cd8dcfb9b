"""``labkit schema``: JSON Schema for editors."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--flow-table", is_flag=True, help="The schema of `labkit matrix -o json` instead.")
@click.option("--diff", is_flag=True, help="The schema of `labkit diff -o json` instead.")
@click.option("--bench", is_flag=True, help="The schema of `labkit bench … -o json` instead.")
def command(*, flow_table: bool, diff: bool, bench: bool) -> None:
    """Print the JSON Schema of scenario files, for editors that check and complete YAML.

    \b
    labkit schema > labkit.schema.json
    """  # noqa: D301
    if flow_table:
        from labkit.probe.table import schema as table_schema

        click.echo(json.dumps(table_schema(), indent=2))
        return
    if diff:
        from labkit.report.diff_json import schema as diff_schema

        click.echo(json.dumps(diff_schema(), indent=2))
        return
    if bench:
        from labkit.bench.results import schema as bench_schema

        click.echo(json.dumps(bench_schema(), indent=2))
        return
    from labkit.manifest.schema import schema

    click.echo(json.dumps(schema(), indent=2))
