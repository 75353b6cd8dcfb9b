"""Files, text and Python objects; changing a scenario."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from labkit.errors import ManifestError, UsageError
from labkit.manifest.load import (
    load,
    load_each,
    load_files,
    load_objects,
    load_text,
    with_objects,
    without_object,
)
from tests.unit.manifest.marked import LAB, SERVICE, WEB

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted([*ROOT.glob("tests/truth/scenarios/*.yaml"), *ROOT.glob("scenarios/*.yaml")])
CHECK = (
    "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\n"
    "spec: {from: client, to: {service: web}, expect: {backends: [web-1]}}\n"
)


def pod(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c"}], **spec},
    }


def told(error: pytest.ExceptionInfo[ManifestError]) -> list[str]:
    return str(error.value).splitlines()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_of_the_repository_loads(path: Path) -> None:
    assert load(path).path == str(path)


def test_several_files_make_one_scenario_and_checks_know_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# What it shows.\n" + LAB + WEB)
    (tmp_path / "b.yaml").write_text("# Other.\n" + SERVICE + CHECK)
    scenario = load_files([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert scenario.description == "What it shows."
    assert scenario.path == str(tmp_path / "a.yaml")
    assert str(scenario.checks[0].location) == f"{tmp_path / 'b.yaml'}:10:1"


def test_problems_of_all_files_are_told_together() -> None:
    files = {"a.yaml": b"a: [", "b.yaml": b"kind: Lab\n"}

    def read(path: Path) -> bytes:
        if path.name not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path.name]

    with pytest.raises(ManifestError) as error:
        load_each(["b.yaml", "a.yaml", "c.yaml"], read=read)
    assert [line.split(": ")[0] for line in told(error)] == [
        "b.yaml:1:1",
        "a.yaml:2:1" if told(error)[1].startswith("a.yaml:2") else "a.yaml:1:5",
        "c.yaml:1:1",
    ]
    assert told(error)[2].endswith(
        "cannot be read: No such file or directory; give a scenario file that can be read"
    )
    assert error.value.exit_status == 2


@pytest.mark.parametrize("name", [".", "a\0b", "missing.yaml"])
def test_a_path_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        load(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    "text", ["", "---\n", "# only a comment\n", "---\n---\n...\n", b"\xef\xbb\xbf"]
)
def test_an_empty_file_is_a_problem(text: str | bytes) -> None:
    with pytest.raises(ManifestError) as error:
        load_text(text, file="a.yaml")
    assert told(error) == [
        "a.yaml:1:1: there is nothing in this file; write a Lab, Kubernetes manifests or Checks"
    ]


def test_python_objects_are_placed_by_their_number() -> None:
    objects = [pod("a"), pod("b", nodeName="nowhere"), {"kind": "Pod", 7: "x"}]
    with pytest.raises(ManifestError) as error:
        load_objects(objects)  # type: ignore[arg-type]
    assert told(error) == [
        (
            "<objects>[1]: spec.nodeName: there is no node 'nowhere' in this lab;"
            " there are: node1, node2"
        ),
        (
            "<objects>[2]: the key 7 is no text;"
            " give texts, numbers, booleans, None, lists and mappings of these"
        ),
    ]


def test_python_objects_may_hold_addresses_and_tuples() -> None:
    lab = {
        "apiVersion": "labkit.dev/v1",
        "kind": "Lab",
        "metadata": {"name": "l"},
        "spec": {"nodes": ({"name": "n", "address": IPv4Address("192.168.0.9")},)},
    }
    assert load_objects([lab]).lab.spec.nodes[0].address == "192.168.0.9"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", 1 << 70, "a\0b", "\ud800"])
def test_what_no_manifest_can_hold_is_a_problem(value: object) -> None:
    with pytest.raises(ManifestError, match="give texts, numbers"):
        load_objects([{**pod("a"), "extra": value}])


def test_an_object_inside_itself_is_a_problem() -> None:
    endless: list[object] = []
    endless.extend([endless, endless])
    with pytest.raises(ManifestError, match="nested more than 100 deep"):
        load_objects([{**pod("a"), "extra": endless}])


def test_objects_are_added_and_replaced_and_keep_their_places() -> None:
    scenario = load_text(LAB + WEB + SERVICE + CHECK, file="a.yaml")
    more = with_objects(scenario, [pod("new"), {**pod("web-1"), "metadata": {"name": "web-1"}}])
    assert [each.metadata.name for each in more.pods] == ["new", "web-1"]
    assert more.checks == scenario.checks
    with pytest.raises(ManifestError) as error:
        with_objects(more, [pod("client")])
    assert told(error) == [
        (
            "<objects>[0]: metadata.name: the pod name client is taken at a.yaml:6:20;"
            " name pods, nodes and clients differently"
        )
    ]


def test_a_removed_pod_stays_named_in_checks() -> None:
    scenario = load_text(LAB + WEB + SERVICE + CHECK, file="a.yaml")
    less = without_object(scenario, "Pod", "web-1")
    assert less.pods == ()
    assert less.checks == scenario.checks
    assert without_object(less, "Service", "web").services == ()


def test_removing_what_does_not_exist_says_what_does() -> None:
    scenario = load_text(LAB + WEB)
    with pytest.raises(UsageError) as error:
        without_object(scenario, "Pod", "web1")
    assert str(error.value) == (
        "there is no Pod web1 in this scenario; did you mean web-1? there are: web-1"
    )
    with pytest.raises(UsageError, match="did you mean Pod"):
        without_object(scenario, "pod", "web-1")


def test_leading_zeros_of_an_address_are_decimal() -> None:
    service = SERVICE.replace("type: NodePort", "type: NodePort\n  clusterIP: 010.096.000.012")
    assert load_text(LAB + WEB + service).services[0].spec.cluster_ip == "10.96.0.12"


def test_thousands_of_problems_are_counted_and_not_all_shown() -> None:
    text = "".join("apiVersion: v1\nkind: Pod\n---\n" for _ in range(300))
    with pytest.raises(ManifestError) as error:
        load_text(text, file="a.yaml")
    assert len(told(error)) == 101
    assert "500 more problems are not shown" in told(error)[-1]


BROKEN_HEADS = {
    "apiVersion: v2\nkind: Pod": "apiVersion: Pod is not in v2; give v1",
    "kind: Pod": "apiVersion: required; give v1",
    "apiVersion: v1\nkind: Pdo": "kind: there is no kind Pdo; did you mean Pod? there are: ",
    "apiVersion: apps/v1\nkind: Pod": "apiVersion: Pod is not in apps/v1; give v1",
}


@pytest.mark.parametrize("head", BROKEN_HEADS)
def test_an_object_with_a_wrong_head_is_the_only_problem(head: str) -> None:
    text = LAB + WEB.replace("apiVersion: v1\nkind: Pod", head) + SERVICE + CHECK
    with pytest.raises(ManifestError) as error:
        load_text(text)
    (line,) = told(error)
    assert BROKEN_HEADS[head] in line


@pytest.mark.parametrize("kind", ["ConfigMap", "Endpoints", "Secret", "ServiceAccount"])
def test_other_kinds_of_kubernetes_are_left_out(kind: str) -> None:
    other = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n---\n"
    assert load_text(LAB + other + WEB).ignored == (f"1 {kind}",)


@pytest.mark.parametrize(
    ("version", "kind"), [("example.com/v1", "Pdo"), ("batch/v1", "Job"), ("apps/v1", "DaemonSet")]
)
def test_kinds_of_others_are_nobodys_mistake(version: str, kind: str) -> None:
    other = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n---\n"
    assert load_text(LAB + other + WEB).ignored == (f"1 {kind}",)
