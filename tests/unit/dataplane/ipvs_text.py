"""Reads what ipvsadm, ipset and ip print of a node in IPVS mode, whatever its order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

CHANCE = re.compile(r" initval \S+")


def servers(lines: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The real servers of each virtual server, of ``ipvsadm -Sn``."""
    found: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("-A -"):
            found[line] = set()
        if line.startswith("-a -"):
            found[next(reversed(found))].add(line)
    return {server: frozenset(real) for server, real in found.items()}


def ipsets(lines: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The elements of each set, of ``ipset save``."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith("create "):
            header = CHANCE.sub("", line).removeprefix("create ")
            headers[header.split()[0]] = header
            found[header] = set()
        if line.startswith("add "):
            _, name, element = line.split()
            found[headers[name]].add(element)
    return {header: frozenset(elements) for header, elements in found.items()}


def device(lines: Iterable[str]) -> frozenset[str]:
    """The addresses of kube-ipvs0, of ``ip -br addr``; it is always down."""
    (line,) = (line for line in lines if line.startswith("kube-ipvs0"))
    assert line.split()[1] == "DOWN"
    return frozenset(line.split()[2:])
