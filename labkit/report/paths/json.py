"""A path as JSON, schema ``labkit.dev/path/v1``: everything that is known of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from labkit.trace.path import Address, Path

SCHEMA: Final = "labkit.dev/path/v1"


def paths_json(paths: Sequence[Path]) -> str:
    """Return the paths as an object with a list; addresses are ``address:port``."""
    built = {
        "schema": SCHEMA,
        "paths": [msgspec.to_builtins(path, enc_hook=_text, str_keys=True) for path in paths],
    }
    return msgspec.json.format(msgspec.json.encode(built), indent=2).decode() + "\n"


def _text(value: object) -> str:
    if isinstance(value, Address):
        return str(value)
    return str(value)
