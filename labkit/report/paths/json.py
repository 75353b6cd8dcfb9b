"""A path as JSON, schema ``labkit.dev/path/v1``: everything that is known of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Address
from typing import Final

import msgspec

from labkit.trace.path import Address, Path

SCHEMA: Final = "labkit.dev/path/v1"


def paths_json(paths: Sequence[Path]) -> str:
    """Return the paths as an object with a list; addresses are ``address:port``."""
    built = {"schema": SCHEMA, "paths": _plain(tuple(paths))}
    return msgspec.json.format(msgspec.json.encode(built), indent=2).decode() + "\n"


def _plain(value: object) -> object:
    """What JSON has a form for; msgspec would take an address apart."""
    if isinstance(value, Address | IPv4Address):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
