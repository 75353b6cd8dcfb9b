"""Writes objects as a YAML file that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

WIDTH: Final = 110


class _Plain(yaml.SafeDumper):
    """Writes an object out each time: readers need not know YAML's anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def yaml_text(documents: Iterable[Mapping[str, Any]], *, comment: str) -> str:
    """Return the documents of a file, below a comment of one line."""
    text = yaml.dump_all(
        documents, Dumper=_Plain, sort_keys=False, default_flow_style=None, width=WIDTH
    )
    return f"# {comment}\n{text}"
