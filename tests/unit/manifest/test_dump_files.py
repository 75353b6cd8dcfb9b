"""A cluster that was dumped into several files, beside files that are scenarios of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import ManifestError
from labkit.manifest.load import load_each, load_files
from tests.unit.manifest.dumped import Object, as_json, as_yaml, kind_cluster
from tests.unit.manifest.marked import LAB, SERVICE, WEB

LAB_ALONE = "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: mine}\n"
CHECK = (
    "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\n"
    "spec: {from: client, to: {service: web}, expect: {outcome: timeout}}\n"
)


def of_kinds(*kinds: str) -> list[Object]:
    return [each for each in kind_cluster() if each["kind"] in kinds]


@pytest.fixture
def dump(tmp_path: Path) -> list[Path]:
    """Nodes, pods (as JSON) and Services in files of their own, and an empty list."""
    folder = tmp_path / "production"
    folder.mkdir()
    texts = {
        "nodes.yaml": as_yaml(*of_kinds("Node")),
        "pods.json": as_json(*of_kinds("Pod")),
        "services.yaml": as_yaml(*of_kinds("Service", "EndpointSlice")),
        "workloads.yaml": as_yaml(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def test_the_files_of_one_dump_are_one_scenario(dump: list[Path]) -> None:
    (scenario,) = load_each(dump)
    assert scenario == load_files(dump)
    assert (len(scenario.lab.spec.nodes), len(scenario.pods), len(scenario.services)) == (3, 13, 6)


def test_a_dump_in_several_files_is_known_by_its_folder(dump: list[Path]) -> None:
    (scenario,) = load_each(dump)
    assert scenario.path == str(dump[0].parent)
    assert scenario.lab.metadata.name == "production"


def test_a_lab_and_checks_in_files_of_their_own_belong_to_the_dump(dump: list[Path]) -> None:
    lab, check = dump[0].parent / "lab.yaml", dump[0].parent / "check.yaml"
    lab.write_text(LAB_ALONE)
    check.write_text(CHECK)
    (scenario,) = load_each([lab, *dump, check])
    assert scenario.lab.metadata.name == "mine"
    assert scenario.lab.spec.nodes[0].address == "172.18.0.2"
    assert [each.location.file for each in scenario.checks] == [str(check)]


def test_scenarios_beside_a_dump_stay_scenarios(dump: list[Path], tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole.yaml", tmp_path / "pieces.yaml"
    whole.write_text(LAB + WEB + SERVICE)
    pieces.write_text(WEB)
    found = load_each([whole, *dump, pieces])
    assert [each.path for each in found] == [str(whole), str(dump[0].parent), str(pieces)]


def test_files_without_anything_of_a_cluster_are_scenarios_each(tmp_path: Path) -> None:
    for name, text in {"a.yaml": LAB_ALONE, "b.yaml": WEB}.items():
        (tmp_path / name).write_text(text)
    found = load_each([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert [len(each.pods) for each in found] == [0, 1]


def test_problems_of_a_dump_are_told_with_those_of_every_other_file(
    dump: list[Path], tmp_path: Path
) -> None:
    dump[1].write_text(dump[1].read_text()[:1000])
    other = tmp_path / "other.yaml"
    with pytest.raises(ManifestError) as caught:
        load_each([*dump, other])
    first, second = caught.value.problems
    assert first.location.file == str(dump[1])
    assert "this is not YAML" in first.message
    assert second.location.file == str(other)


def test_the_same_dump_twice_counts_once(dump: list[Path]) -> None:
    (once,) = load_each(dump)
    (twice,) = load_each([*dump, *dump])
    assert twice.pods == once.pods
    assert len(twice.ignored) > len(once.ignored)
