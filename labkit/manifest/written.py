"""Manifests as the text of a scenario file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import yaml

WIDTH: Final = 120


class _Plain(yaml.SafeDumper):
    """Writes an object out each time: readers need not know YAML's anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def yaml_text(manifests: Iterable[Mapping[str, object]], *, comment: str) -> str:
    """Return the YAML of manifests, fields in their order.

    Args:
        manifests: a document each.
        comment: the file's first line: what it shows.
    """
    text: str = yaml.dump_all(
        manifests, Dumper=_Plain, sort_keys=False, default_flow_style=None, width=WIDTH
    )
    return f"# {comment}\n{text}"
