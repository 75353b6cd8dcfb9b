"""``labkit graph``: pictures to stdout and to files, and what is said of wrong input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from labkit.cli import cli
from labkit.cli.ending import run_to_status
from tests.recorded import TRUTH

SCENARIO = TRUTH / "scenarios" / "nodeport-local.yaml"


def graph(*arguments: str) -> int:
    return run_to_status(cli, ["graph", *arguments])


def test_the_picture_goes_to_stdout_as_svg(capsys: pytest.CaptureFixture[str]) -> None:
    assert graph(str(SCENARIO)) == 0

    shown = capsys.readouterr()
    ElementTree.fromstring(shown.out)  # noqa: S314 - our own
    assert shown.err == ""


@pytest.mark.parametrize(
    ("fmt", "start"),
    [("svg", "<?xml"), ("mermaid", "---\n"), ("dot", "digraph "), ("html", "<!DOCTYPE html>")],
)
def test_each_format_goes_to_a_file(
    fmt: str, start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"lab.{fmt}"

    assert graph(str(SCENARIO), "-o", f"{fmt}={file}") == 0

    assert file.read_text().startswith(start)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fmt", ["svg", "dot"])
def test_the_same_file_gives_the_same_bytes_in_every_process(fmt: str) -> None:
    def once(seed: str) -> bytes:
        command = [sys.executable, "-m", "labkit", "graph", str(SCENARIO), "-o", fmt]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "ascii"}
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    assert once("1") == once("2") != b""


def test_the_data_plane_can_be_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert graph(str(SCENARIO), "--dataplane", "nftables") == 0

    assert "data plane nftables" in capsys.readouterr().out


def test_only_services_leaves_out_pods_that_matter_to_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "lonely.yaml"
    file.write_text(
        "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: l}\nspec: {nodes: [{name: n}]}\n"
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: lonely}\n"
        "spec: {containers: [{name: c}]}\n"
    )

    assert graph(str(file), "-o", "dot") == 0
    assert "lonely" in capsys.readouterr().out
    assert graph(str(file), "-o", "dot", "--only-services") == 0
    assert "lonely" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "table"), "'table' is no format; there are: svg, mermaid, dot, html"),
        (("-o", "svg="), "'svg=' names no file; write svg=FILE or svg"),
        (("-o", "svg=/no/such/folder/a.svg"), "/no/such/folder is no folder; make it first"),
        (("--dataplane", "ipvs,nftables"), "names 2; a picture shows one"),
        (("--dataplane", "ebpf"), "there is no data plane ebpf; there are: iptables"),
    ],
)
def test_wrong_input_is_status_2_and_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert graph(str(SCENARIO), *arguments) == 2

    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_a_file_that_is_not_there_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert graph("missing.yaml") == 2

    assert "missing.yaml" in capsys.readouterr().err
