"""``labkit delete``: take an object out of a lab that stays."""

from __future__ import annotations

from typing import Final

import click

from labkit.cli import completing
from labkit.cli.held import tell
from labkit.errors import UsageError
from labkit.manifest.problems import nearest

SHORT: Final = {"po": "Pod", "svc": "Service", "deploy": "Deployment", "rs": "ReplicaSet"}
"""kubectl's short names."""
KINDS: Final = ("Pod", "Service", "Deployment", "ReplicaSet", "EndpointSlice", "Check")


@click.command()
@click.argument("name", shell_complete=completing.labs)
@click.argument(
    "objects", metavar="KIND/NAME...", nargs=-1, required=True, shell_complete=completing.objects
)
def command(name: str, objects: tuple[str, ...]) -> None:
    """Take Pods, Services and other objects out of a lab; the rules follow at once.

    KIND is as kubectl takes it; an object of another Namespace is KIND/NAMESPACE/NAME.

    \b
    labkit delete nodeport-cluster pod/web-1
    labkit delete nodeport-cluster svc/my-nginx
    """  # noqa: D301
    from labkit.holder.protocol import Delete

    for kind, short in [_object(word) for word in objects]:
        tell(name, Delete(kind=kind, name=short))


def _object(word: str) -> tuple[str, str]:
    kind, slash, name = word.partition("/")
    if not (kind and slash and name):
        raise UsageError(f"{word!r} is no KIND/NAME; write pod/web-1")
    words = {each.lower(): each for each in KINDS}
    words |= {f"{each}s": kind for each, kind in words.items()} | SHORT
    if kind.lower() not in words:
        raise UsageError(f"a lab can lose no {kind}; {nearest(kind, KINDS)}")
    return words[kind.lower()], name
