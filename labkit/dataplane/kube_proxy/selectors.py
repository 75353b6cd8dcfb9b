"""Label and field selectors of list and watch, as the API server reads them.

Source: kubernetes v1.36 staging/src/k8s.io/apimachinery/pkg/labels/selector.go (Parse) and
pkg/fields/selector.go (ParseSelector).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

Selector = Callable[[Mapping[str, str]], bool]
"""Whether labels, or the fields of an object by their paths, are selected."""

_REQUIREMENT: Final = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[^\s!=,()]+)
      | (?P<set>[^\s!=,()]+)\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s!=,()]+)\s*(?:(?P<sign>==|=|!=)\s*(?P<value>[^\s!=,()]*))?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def parse_selector(text: str) -> Selector:
    """Return what decides whether labels or fields are selected; all are by an empty text.

    Raises:
        ValueError: it is no selector; with the part that cannot be read.
    """
    requirements: list[Selector] = []
    position = 0
    while position < len(text.rstrip()):
        found = _REQUIREMENT.match(text, position)
        if not found:
            raise ValueError(f"unable to parse requirement: {text[position:]!r}")
        requirements.append(_requirement(found))
        position = found.end()
    return lambda values: all(each(values) for each in requirements)


def _requirement(found: re.Match[str]) -> Selector:
    if absent := found["absent"]:
        return lambda values: absent not in values
    if chosen := found["set"]:
        wanted = {value.strip() for value in found["values"].split(",")}
        # As with !=, what has no such label at all is "not in".
        if found["word"] == "in":
            return lambda values: values.get(chosen) in wanted
        return lambda values: values.get(chosen) not in wanted
    key, value = found["key"], found["value"]
    if found["sign"] is None:
        return lambda values: key in values
    if found["sign"] == "!=":
        return lambda values: values.get(key) != value
    return lambda values: values.get(key) == value
