"""``labkit init`` writes three files, and never over others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.cli import cli
from labkit.cli.ending import run_to_status
from labkit.manifest.load import load
from labkit.manifest.schema import schema


def init(*arguments: str | Path) -> int:
    return run_to_status(cli, ["init", *map(str, arguments)])


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_folder_gets_a_scenario_a_test_and_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "labs"
    assert init(folder) == 0
    assert capsys.readouterr().out == (
        f"wrote {folder}/lab.yaml\n"
        f"wrote {folder}/test_lab.py\n"
        f"wrote {folder}/labkit.schema.json\n"
        f"next: labkit run {folder}/lab.yaml\n"
        f"      pytest {folder}\n"
    )
    assert json.loads((folder / "labkit.schema.json").read_text()) == schema()
    scenario = load(folder / "lab.yaml")
    assert (scenario.lab.metadata.name, len(scenario.checks)) == ("lab", 2)
    assert scenario.description.startswith("A NodePort: ")


def test_without_a_name_it_is_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init() == 0
    assert capsys.readouterr().out.endswith("next: labkit run lab.yaml\n      pytest .\n")
    assert (tmp_path / "lab.yaml").exists()


def test_every_document_tells_an_editor_its_schema(tmp_path: Path) -> None:
    init(tmp_path)
    documents = (tmp_path / "lab.yaml").read_text().split("\n---\n")
    assert len(documents) == 5
    line = "# yaml-language-server: $schema=labkit.schema.json\n"
    assert all(document.startswith(line) for document in documents)


def test_a_file_names_its_lab_and_its_test(tmp_path: Path) -> None:
    assert init(tmp_path / 'My 1st "lab".yaml') == 0
    assert load(tmp_path / 'My 1st "lab".yaml').lab.metadata.name == "my-1st-lab"
    code = (tmp_path / "test_My_1st_lab.py").read_text()
    assert 'with_name("My 1st \\"lab\\".yaml")' in code
    compile(code, "test_My_1st_lab.py", "exec")


@pytest.mark.parametrize("taken", ["lab.yaml", "test_lab.py"])
def test_a_file_that_is_there_is_left_alone_and_named(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / taken).write_text("mine")
    (tmp_path / "lab2.yaml").write_text("mine, too")
    before = contents(tmp_path)
    assert init(tmp_path) == 2
    assert capsys.readouterr().err == (
        f"labkit: {tmp_path / taken} exists already; "
        f"give another name: labkit init {tmp_path}/lab3.yaml\n"
    )
    assert contents(tmp_path) == before


def test_scenarios_of_one_folder_share_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    capsys.readouterr()
    assert init(tmp_path / "other.yaml") == 0
    told = capsys.readouterr().out
    assert f"wrote {tmp_path}/other.yaml" in told
    assert "schema" not in told


def test_another_schema_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "labkit.schema.json"
    file.write_text("{}")
    assert init(tmp_path) == 2
    assert capsys.readouterr().err == (
        f"labkit: {file} exists and is not this labkit's; write it anew: labkit schema > {file}\n"
    )
    assert contents(tmp_path) == {"labkit.schema.json": "{}"}


def test_a_link_to_nowhere_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert init(tmp_path) == 2
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("lab.txt", "lab.txt is no name of a YAML file; labkit init {folder}/lab.yaml"),
        ("a\nb", "has characters that cannot be shown; leave them out"),
        ("file/labs", "file/labs: Not a directory; name a folder that you can write to"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(
    name: str, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert init(tmp_path / name) == 2
    told = capsys.readouterr().err
    assert told.startswith("labkit: ")
    assert told.endswith(f"{error.format(folder=tmp_path)}\n")
    assert told.count("\n") == 1
