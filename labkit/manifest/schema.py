"""JSON Schema of a scenario file's documents, for editors that check and complete YAML."""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import json

from labkit.manifest.decode import CONFORMANT, EXPECT
from labkit.manifest.objects import KINDS, OWN

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"


def schema() -> dict[str, Json]:
    """Return the schema of one document: any kind that a scenario may hold.

    Kinds that labkit leaves out, such as a ConfigMap, match too; null is taken as absent.
    """
    types = [kind for _version, kind in KINDS.values()]
    # Through bytes, so that msgspec's Any becomes a type.
    raw = json.encode(json.schema_components(types, ref_template=_REF)[1])  # type: ignore[misc]
    definitions = json.decode(raw, type=dict[str, dict[str, object]])
    whole = {kind.__name__ for kind in types}
    parts: dict[str, Json] = {name: _plain(part) for name, part in definitions.items()}
    documents: dict[str, Json] = {
        f"{name}Document": _document(parts[kind.__name__], version, name)
        for name, (version, kind) in KINDS.items()
    }
    documents["ListDocument"] = _list_document()
    rules = [_rule({"kind": {"const": name}}, f"{name}Document") for name in (*KINDS, "List")]
    parts[EXPECT] = {"anyOf": [{"const": CONFORMANT}, parts[EXPECT]]}
    definitions_used = {name: part for name, part in parts.items() if name not in whole}
    return {
        "$schema": DIALECT,
        "title": "labkit scenario document",
        "description": "One document of a scenario file: a Lab, a Check or a Kubernetes object.",
        "type": "object",
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}},
        "required": ["apiVersion", "kind"],
        "allOf": [*rules, _own_kinds()],
        "$defs": dict(sorted({**definitions_used, **documents}.items())),
    }


def _rule(given: dict[str, Json], then: str) -> Json:
    """If the properties are so, then that definition: editors show its errors, and no others'."""
    names: list[Json] = list(given)
    return {
        "if": {"properties": given, "required": names},
        "then": {"$ref": _REF.format(name=then)},
    }


def _own_kinds() -> Json:
    own: list[Json] = list(OWN)
    return {
        "if": {"properties": {"apiVersion": {"pattern": "^labkit\\.dev/"}}},
        "then": {"properties": {"kind": {"enum": own}}},
    }


def _plain(value: object) -> Json:
    """The value without types of its own, and with null where a field may be left out."""
    if isinstance(value, dict):
        found: dict[str, Json] = {str(name): _plain(part) for name, part in value.items()}
        return _nullable(found)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float)) else None


def _nullable(part: dict[str, Json]) -> dict[str, Json]:
    """An object's schema in which every optional field may also be null, as dumps have them."""
    properties, required = part.get("properties"), part.get("required")
    if not isinstance(properties, dict):
        return part
    needed = required if isinstance(required, list) else []
    fields: dict[str, Json] = {
        name: field if name in needed else _or_null(field) for name, field in properties.items()
    }
    return {**part, "properties": fields}


def _or_null(field: Json) -> Json:
    if not isinstance(field, dict):
        return field
    outer: dict[str, Json] = {
        name: field[name] for name in ("default", "description") if name in field
    }
    inner: dict[str, Json] = {name: part for name, part in field.items() if name not in outer}
    choices = inner.get("anyOf")
    if isinstance(choices, list) and len(inner) == 1:
        others = [choice for choice in choices if choice != {"type": "null"}]
        return {**outer, "anyOf": [*others, {"type": "null"}]}
    return {**outer, "anyOf": [inner, {"type": "null"}]}


def _document(part: Json, version: str, name: str) -> Json:
    """A kind as a whole document: with its apiVersion and kind."""
    found = part if isinstance(part, dict) else {}
    properties, required = found.get("properties"), found.get("required")
    head: dict[str, Json] = {"apiVersion": {"const": version}, "kind": {"const": name}}
    return {
        **found,
        "title": name,
        "properties": {**head, **(properties if isinstance(properties, dict) else {})},
        "required": ["apiVersion", "kind", *(required if isinstance(required, list) else [])],
    }


def _list_document() -> Json:
    return {
        "title": "List",
        "type": "object",
        "description": "What `kubectl get -o yaml` prints.",
        "properties": {
            "apiVersion": {"const": "v1"},
            "kind": {"const": "List"},
            "items": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["apiVersion", "kind", "items"],
    }
