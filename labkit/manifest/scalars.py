"""What YAML's plain scalars mean, as the API server's reader takes them.

Source: YAML 1.1 as sigs.k8s.io/yaml reads it: ``yes`` and ``on`` are booleans, ``010`` is octal.
Dates and sexagesimal numbers (``30:30080``) stay text there, and here.
"""

from __future__ import annotations

import re
from typing import Final

from labkit.manifest.tree import Scalar

_WORDS: Final[dict[str, bool | None]] = {
    word: value
    for words, value in (
        (" ~ null Null NULL", None),
        ("true yes on True Yes On TRUE YES ON", True),
        ("false no off False No Off FALSE NO OFF", False),
    )
    for word in words.split(" ")
}
_OCTAL: Final = 8
_BASES: Final = {"x": 16, "b": 2, "o": _OCTAL}
_FIRST_OF_NUMBER: Final = frozenset("0123456789+-.")
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")
_BASED: Final = re.compile(r"[-+]?0(?:x[0-9a-fA-F_]+|b[01_]+|o[0-7_]+|[0-7_]+)\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL_FLOAT: Final = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_LONGEST_NUMBER: Final = 40
"""Longer digits are text: no port or count needs them, and Python refuses to read 4,300."""


def plain(text: str) -> Scalar:
    """The value of a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    number = text[0] in _FIRST_OF_NUMBER and len(text) <= _LONGEST_NUMBER
    return _number(text) if number else text


def _number(text: str) -> Scalar:
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _BASED.match(text):
        return _based(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL_FLOAT.match(text):
        return float(text.replace(".", ""))
    return text


def _based(text: str) -> Scalar:
    digits = text.lstrip("+-").lower()
    base = _BASES.get(digits[1])
    digits = digits[2:] if base else digits[1:]
    if not digits:
        return text
    number = int(digits, base or _OCTAL)
    return -number if text.startswith("-") else number
