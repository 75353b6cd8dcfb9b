"""No input, however broken, ends in anything but a ManifestError."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.cluster.build import build_cluster
from labkit.errors import ManifestError, UsageError
from labkit.manifest.load import load_objects, load_text, with_objects
from labkit.manifest.problems import Problem
from tests.unit.manifest.test_dumps import DUMP

ROOT = Path(__file__).parents[3]
FILES = [
    *(path.read_text() for path in sorted(ROOT.glob("tests/truth/scenarios/*.yaml"))[:6]),
    *(path.read_text() for path in sorted(ROOT.glob("scenarios/*.yaml"))[:6]),
    DUMP,
]
TREES = [list(yaml.safe_load_all(text)) for text in FILES]
EXAMPLES = 150
BOUNDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["None", "TCP", "10.96.0.1", "::1", "10.0.0.0/8", "0.0.0.0/0", "1-65535", "Local", "node1"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "port", "spec", "kind", "items", "metadata", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
BYTES_OF_YAML = st.sampled_from([*"{}[]:,&*!|>'\"%@#-? \n\t", "<<: ", "&a ", "*a", "\0", "\ufeff"])


def problems(text: str | bytes) -> tuple[Problem, ...]:
    """What loading says; what it accepts can be built, but for ranges that are too small."""
    try:
        scenario = load_text(text)
    except ManifestError as error:
        return error.problems
    with suppress(UsageError):
        build_cluster(scenario)
    return ()


def only_manifest_errors(text: str | bytes) -> None:
    for problem in problems(text):
        assert problem.message
        assert problem.remedy
        assert len(str(problem).splitlines()) == 1


@BOUNDS
@given(st.text() | st.binary())
def test_random_text(text: str | bytes) -> None:
    only_manifest_errors(text)


@BOUNDS
@given(st.sampled_from(FILES), st.data())
def test_scenario_files_with_characters_changed(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 5)))
        text = text[:start] + data.draw(BYTES_OF_YAML | st.text(max_size=3)) + text[end:]
    only_manifest_errors(text)


def places(tree: object) -> list[tuple[dict[object, object] | list[object], object]]:
    """Every value of a tree, as its container and the key in it."""
    found: list[tuple[dict[object, object] | list[object], object]] = []
    pending = [tree]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            found += [(each, key) for key in each]
            pending += each.values()
        elif isinstance(each, list):
            found += [(each, index) for index in range(len(each))]
            pending += each
    return found


def changed(documents: list[object], data: st.DataObject) -> list[object]:
    """The documents with one to three values replaced or taken away."""
    copy: list[object] = yaml.safe_load(yaml.safe_dump(documents))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(copy)))
        if data.draw(st.integers(0, 4)) == 0 and isinstance(container, dict):
            container.pop(key, None)
        else:
            container[key] = data.draw(VALUES)  # type: ignore[call-overload]
        if not places(copy):
            break
    return copy


@BOUNDS
@given(st.sampled_from(TREES), st.data())
def test_scenarios_with_values_changed(documents: list[object], data: st.DataObject) -> None:
    tree = changed(documents, data)
    only_manifest_errors(yaml.safe_dump_all(tree, allow_unicode=True))


@BOUNDS
@given(st.sampled_from(TREES), st.data())
def test_objects_with_values_changed(documents: list[object], data: st.DataObject) -> None:
    found: tuple[Problem, ...] = ()
    try:
        with_objects(load_objects([]), changed(documents, data))  # type: ignore[arg-type]
    except ManifestError as error:
        found = error.problems
    assert all(problem.location.file.startswith("<objects>") for problem in found)
