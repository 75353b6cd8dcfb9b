"""What the API server takes as a name, a label and a port name.

Each function returns what is right instead, or None if the text is well formed.
Source: kubernetes v1.36 staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from labkit.manifest.problems import Finding, Path, quote

LONGEST_LABEL: Final = 63
LONGEST_SUBDOMAIN: Final = 253
LONGEST_PORT_NAME: Final = 15
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_PORT_NAME: Final = re.compile(r"[a-z0-9-]+\Z")
_LETTER: Final = re.compile(r"[a-z]")


def label(text: str) -> str | None:
    """A DNS-1123 label: Namespaces, containers, Service ports, and Services since 1.36 (KEP-5311).

    Service names were DNS-1035 labels before: they could not begin with a digit.
    """
    if len(text) <= LONGEST_LABEL and _LABEL.match(text):
        return None
    return (
        "give lower-case letters, digits and '-', a letter or digit at both ends,"
        f" at most {LONGEST_LABEL} characters"
    )


def subdomain(text: str) -> str | None:
    """A DNS-1123 subdomain: most objects."""
    if len(text) <= LONGEST_SUBDOMAIN and _SUBDOMAIN.match(text):
        return None
    return (
        "give lower-case letters, digits, '-' and '.', a letter or digit at both ends,"
        f" at most {LONGEST_SUBDOMAIN} characters"
    )


def host(text: str) -> str | None:
    """A host's name: a subdomain that fits into one label's 63 characters."""
    if len(text) <= LONGEST_LABEL and _SUBDOMAIN.match(text):
        return None
    return (
        "give a host name: lower-case letters, digits, '-' and '.', a letter or digit at both"
        f" ends, at most {LONGEST_LABEL} characters"
    )


def port_name(text: str) -> str | None:
    """An IANA_SVC_NAME: ports of containers, and targetPort (RFC 6335, section 5.1)."""
    well_formed = _PORT_NAME.match(text) and _LETTER.search(text)
    dashes = "--" in text or text.startswith("-") or text.endswith("-")
    if len(text) <= LONGEST_PORT_NAME and well_formed and not dashes:
        return None
    return (
        "give lower-case letters, digits and single '-' inside, one letter at least,"
        f" at most {LONGEST_PORT_NAME} characters"
    )


def qualified(text: str) -> str | None:
    """A label's key: a name, with a DNS subdomain and a slash before it or not."""
    prefix, slash, name = text.rpartition("/")
    if slash and (subdomain(prefix) or not prefix):
        return "give a DNS name before the '/'"
    if len(name) <= LONGEST_LABEL and _QUALIFIED.match(name):
        return None
    return (
        "give letters, digits, '-', '_' and '.', a letter or digit at both ends,"
        f" at most {LONGEST_LABEL} characters"
    )


def label_value(text: str) -> str | None:
    """A label's value; it may be empty."""
    if not text or (len(text) <= LONGEST_LABEL and _QUALIFIED.match(text)):
        return None
    return (
        "give letters, digits, '-', '_' and '.', a letter or digit at both ends,"
        f" at most {LONGEST_LABEL} characters, or nothing"
    )


def label_findings(labels: Mapping[str, str], path: Path) -> Iterator[Finding]:
    """What is wrong with a map of labels."""
    for key, value in labels.items():
        if remedy := qualified(key):
            message = f"'{quote(key)}' is no label key"
            yield Finding((*path, key), message, remedy, at_key=True)
        if remedy := label_value(value):
            yield Finding((*path, key), f"'{quote(value)}' is no label value", remedy)
