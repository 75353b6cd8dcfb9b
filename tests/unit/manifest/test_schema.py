"""The JSON Schema says of the repository's scenarios what loading says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from labkit.manifest.schema import schema

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted([*ROOT.glob("tests/truth/scenarios/*.yaml"), *ROOT.glob("scenarios/*.yaml")])
Json = dict[str, object]


def valid(value: object, part: Json, whole: Json) -> bool:
    """Whether a value fits a schema, for the keywords that `schema` uses."""
    unknown = part.keys() - KEYWORDS
    assert not unknown, f"the schema uses {unknown}"
    if "$ref" in part and not valid(value, resolve(str(part["$ref"]), whole), whole):
        return False
    if "if" in part:
        given = valid(value, as_schema(part["if"]), whole)
        if given and not valid(value, as_schema(part["then"]), whole):
            return False
    combined = (
        all(valid(value, as_schema(each), whole) for each in as_list(part.get("allOf", []))),
        "anyOf" not in part
        or any(valid(value, as_schema(each), whole) for each in as_list(part["anyOf"])),
        "const" not in part or value == part["const"],
        "enum" not in part or value in as_list(part["enum"]),
        "pattern" not in part or str(value).startswith("labkit.dev/"),
        "type" not in part or fits(value, str(part["type"])),
    )
    return all(combined) and inside(value, part, whole)


KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "default", "type", "properties"),
    *("required", "additionalProperties", "items", "anyOf", "allOf", "if", "then", "const"),
    *("enum", "pattern"),
}


def inside(value: object, part: Json, whole: Json) -> bool:
    if isinstance(value, list):
        item = as_schema(part.get("items", {}))
        return all(valid(each, item, whole) for each in value)
    if not isinstance(value, dict):
        return True
    properties = as_schema(part.get("properties", {}))
    other = part.get("additionalProperties", True)
    if not set(map(str, as_list(part.get("required", [])))) <= value.keys():
        return False
    for name, each in value.items():
        if name in properties:
            if not valid(each, as_schema(properties[name]), whole):
                return False
        elif other is False or (isinstance(other, dict) and not valid(each, other, whole)):
            return False
    return True


def fits(value: object, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind])


def resolve(ref: str, whole: Json) -> Json:
    found: object = whole
    for part in ref.removeprefix("#").strip("/").split("/"):
        found = as_schema(found)[part] if part else found
    return as_schema(found)


def as_schema(value: object) -> Json:
    assert isinstance(value, dict)
    return value


def as_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


WHOLE = as_schema(json.loads(json.dumps(schema())))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_fits_the_schema(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        assert valid(document, WHOLE, WHOLE)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"apiVersion": "labkit.dev/v1", "kind": "Chek"},
        {"apiVersion": "labkit.dev/v1", "kind": "Lab", "metadata": {"name": "l"}, "spex": {}},
        {"apiVersion": "v1", "kind": "Lab", "metadata": {"name": "l"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [{}]}},
        {"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod"}]},
    ],
)
def test_what_does_not_load_does_not_fit_the_schema(document: Json) -> None:
    assert not valid(document, WHOLE, WHOLE)


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {}},
        {"apiVersion": "v1", "kind": "List", "items": [], "metadata": {}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"labels": None}, "spec": {}},
    ],
)
def test_dumps_fit_the_schema(document: Json) -> None:
    assert valid(document, WHOLE, WHOLE)


def test_the_schema_names_its_dialect() -> None:
    assert WHOLE["$schema"] == "https://json-schema.org/draft/2020-12/schema"
