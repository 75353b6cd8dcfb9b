"""Manifests with a mark where an error is expected."""

from __future__ import annotations

import pytest

from labkit.errors import ManifestError
from labkit.manifest.load import load_text

MARK = "§"

LAB = """\
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: lab}
spec:
  nodes: [{name: node1}, {name: node2}]
  clients: [{name: client}]
---
"""
WEB = """\
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec:
  nodeName: node1
  containers:
  - name: web
    ports: [{containerPort: 80, name: http}, {containerPort: 53, name: dns, protocol: UDP}]
---
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]
---
"""


def unmarked(text: str) -> tuple[str, str]:
    """The text without its mark, and ``line:column`` of it."""
    before, _mark, after = text.partition(MARK)
    line = before.count("\n") + 1
    return before + after, f"{line}:{len(before) - before.rfind(chr(10))}"


def errors(text: str) -> list[str]:
    """Every problem of a scenario, one text each."""
    with pytest.raises(ManifestError) as caught:
        load_text(text, file="bad.yaml")
    return str(caught.value).splitlines()


def assert_one_error(marked: str, rest: str) -> None:
    """The only problem is at the mark and says ``path: message; remedy``."""
    text, place = unmarked(marked)
    assert errors(text) == [f"bad.yaml:{place}: {rest}"]
