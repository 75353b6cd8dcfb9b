"""What every kind is made of: how fields are named, and ``metadata``.

Source: kubernetes v1.36 apimachinery meta/v1.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

LABKIT_API: Final = "labkit.dev/v1"

ProtocolName = Literal["TCP", "UDP", "SCTP"]
PolicyName = Literal["Cluster", "Local"]
Address = Annotated[str, Meta(extra={"address": True})]
"""An address or CIDR as text. Decoding takes leading zeros away: 010.096.000.012 is 10.96.0.12, as
the API server reads it (k8s.io/utils/net, ParseIPSloppy)."""


class Kubernetes(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of Kubernetes' own kinds and their parts.

    Decoding ignores fields that labkit does not read; `labkit.manifest.misspelt` tells those from
    mistakes.
    """


class Own(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of labkit's kinds and their parts: unknown fields are errors."""


class OwnerReference(Kubernetes, frozen=True, kw_only=True):
    """``metadata.ownerReferences[]``."""

    kind: str = ""
    name: str = ""


class ObjectMeta(Kubernetes, frozen=True, kw_only=True):
    """``metadata``."""

    name: str = ""
    namespace: str = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    uid: str = ""
    """Given by an API server: two objects of one name and two uids are of two clusters."""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    """Given while an object terminates."""
