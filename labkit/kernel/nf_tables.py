"""Chains, rules, sets and elements of nf_tables as netlink messages, and their transaction.

nft(8) reads a table before it changes it, and has the kernel find a name for each anonymous map,
which looks at all the others: with ten thousand maps that is most of the time. Here sets come with
their names, and a change is as long as what changes.

The bytes are those that nftables 1.0.6 sends. Source: linux/netfilter/nf_tables.h, nfnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netfilter import (
    BATCH_BEGIN,
    BATCH_END,
    DELETE_TABLE,
    NESTED,
    NEW_CHAIN,
    SUBSYSTEM_NFTABLES,
    conversation,
)
from labkit.kernel.netlink import ACK, APPEND, CREATE, EXCLUSIVE, REQUEST, Request, attribute, text
from labkit.kernel.netns import Namespace
from labkit.kernel.socket_options import size_buffers

DELETE_CHAIN, NEW_RULE, DELETE_RULE = 5, 6, 8
NEW_SET, DELETE_SET, NEW_ELEMENTS, DELETE_ELEMENTS = 9, 11, 12, 14
HEADER: Final = struct.pack("=BBH", socket.AF_INET, 0, 0)
BATCH: Final = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(SUBSYSTEM_NFTABLES))
RECEIVED: Final = 1 << 20
"""Bytes of answers that may wait: each message that is refused gets one."""

ITEM: Final = 1 | NESTED
"""NFTA_LIST_ELEM: one expression of a rule, one element of a set."""
VALUE, VERDICT = 1, 2 | NESTED
DROP, JUMP, GOTO = 0, -3, -4
"""NF_DROP, NFT_JUMP, NFT_GOTO."""
VERDICT_REGISTER, REGISTER, NEXT_REGISTER, AFTER_ADDRESS = 0, 1, 2, 9
"""NFT_REG_VERDICT; NFT_REG_1 and 2; NFT_REG32_01, where a map's port lies behind its address."""
META_MARK, META_IIFNAME, META_L4PROTO = 3, 6, 16
EQUAL, NOT_EQUAL = 0, 1
ANONYMOUS, CONSTANT, INTERVAL, MAP, TIMEOUT, EVAL = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
INTEGER, IPV4_ADDRESS, ADDRESS_AND_PORT, VERDICTS = 4, 7, 0x1CD, 0xFFFFFF00
"""What nft calls the types of keys and data; the kernel only keeps the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSet:
    """A set or map to be made; ``told`` is nft's own note to itself, which it needs to list it."""

    name: str
    number: int = 0
    """What the rest of the transaction may call it instead of by its name."""
    flags: int
    key: int
    data: int = 0
    data_size: int = 0
    size: int
    timeout_ms: int = 0
    told: bytes


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its key, and in a map where it leads."""

    key: bytes
    data: bytes = b""
    comment: str = ""
    ends_interval: bool = False

    def encoded(self) -> bytes:
        """The attribute."""
        found = nested(1, attribute(VALUE, self.key))
        if self.data:
            found += nested(2, self.data)
        if self.ends_interval:
            found += number(3, 1)
        return attribute(ITEM, found + said(6, self.comment))


class Table:
    """Makes the messages of one table of the ip family."""

    def __init__(self, name: str) -> None:
        self._head = HEADER + text(1, name)

    def delete(self) -> Request:
        """Delete the table with all that is in it."""
        return self._request("delete the table", DELETE_TABLE, 0, b"")

    def new_chain(self, name: str) -> Request:
        """Add a chain that is jumped to."""
        return self._request(f"add chain {name}", NEW_CHAIN, CREATE, text(3, name))

    def delete_chain(self, name: str) -> Request:
        """Delete a chain that nothing leads to."""
        return self._request(f"delete chain {name}", DELETE_CHAIN, 0, text(3, name))

    def flush_chain(self, name: str) -> Request:
        """Delete all rules of a chain, with their anonymous sets."""
        return self._request(f"flush chain {name}", DELETE_RULE, 0, text(2, name))

    def new_rule(self, chain: str, expressions: Iterable[bytes], comment: str = "") -> Request:
        """Append a rule."""
        body = text(2, chain) + nested(4, b"".join(expressions)) + said(7, comment)
        return self._request(f"add rule {chain}", NEW_RULE, CREATE | APPEND, body)

    def new_set(self, new: NewSet) -> Request:
        """Add a set or map."""
        body = text(2, new.name) + number(3, new.flags) + number(4, new.key) + number(5, 4)
        if new.flags & MAP:
            body += number(6, new.data) + number(7, new.data_size)
        body += number(10, new.number) + nested(9, number(1, new.size))
        if new.timeout_ms:
            body += attribute(11, struct.pack("!Q", new.timeout_ms))
        body += attribute(13, new.told)
        # An anonymous one that is there already would be another rule's.
        flags = CREATE | EXCLUSIVE if new.flags & ANONYMOUS else CREATE
        return self._request(f"add set {new.name}", NEW_SET, flags, body)

    def fill(self, new: NewSet, elements: Iterable[Element]) -> Request:
        """Add elements to a set of the same transaction: the kernel need not look for it."""
        what = f"add elements of {new.name}"
        return self._elements(what, NEW_ELEMENTS, CREATE, number(4, new.number), elements)

    def delete_set(self, name: str) -> Request:
        """Delete a named set that no rule uses."""
        return self._request(f"delete set {name}", DELETE_SET, 0, text(2, name))

    def new_elements(self, name: str, elements: Iterable[Element]) -> Request:
        """Add elements to a set or map: as many as fit in 64 KiB."""
        what = f"add elements of {name}"
        return self._elements(what, NEW_ELEMENTS, CREATE, text(2, name), elements)

    def delete_elements(self, name: str, elements: Iterable[Element]) -> Request:
        """Take elements from a set or map."""
        what = f"delete elements of {name}"
        return self._elements(what, DELETE_ELEMENTS, 0, text(2, name), elements)

    def _elements(
        self, what: str, command: int, flags: int, where: bytes, elements: Iterable[Element]
    ) -> Request:
        listed = nested(3, b"".join(element.encoded() for element in elements))
        return self._request(what, command, flags, where + listed)

    def _request(self, what: str, command: int, flags: int, body: bytes) -> Request:
        return Request(what, SUBSYSTEM_NFTABLES << 8 | command, REQUEST | flags, self._head + body)


def commit(namespace: Namespace, requests: Sequence[Request]) -> None:
    """Make one transaction of requests: the kernel does all of them at once, or none.

    Raises:
        KernelError: the first that was refused, with the kernel's own words.
    """
    if not requests:
        return
    messages = (
        Request("begin", BATCH_BEGIN, REQUEST, BATCH),
        *requests[:-1],
        # Answered when all is done; the end of a batch gets no answer of its own.
        Request(requests[-1].what, requests[-1].type, requests[-1].flags | ACK, requests[-1].body),
        Request("end", BATCH_END, REQUEST, BATCH),
    )
    sent = b"".join(netlink.encode(m, n, acknowledge=False) for n, m in enumerate(messages, 1))
    last = len(messages) - 1

    sock = conversation(namespace)

    def act() -> None:
        size_buffers(sock, sending=2 * len(sent), receiving=RECEIVED)
        try:
            sock.send(sent)
        except OSError as error:
            what = f"{namespace.name}: {len(requests)} changes in one transaction"
            raise KernelError(
                what, errno=error.errno or 0, message=os.strerror(error.errno or 0)
            ) from error
        failure: KernelError | None = None
        answered = False
        while not answered:
            for sequence, code, reason in netlink.read_answers(sock.recv(RECEIVED)):
                if code and failure is None:
                    what = f"{namespace.name}: {messages[sequence - 1].what}"
                    failure = KernelError(what, errno=code, message=reason or os.strerror(code))
                answered |= sequence == last
        if failure:
            raise failure

    namespace.run(act)


# --- attributes ---


def nested(kind: int, payload: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | NESTED, payload)


def number(kind: int, value: int) -> bytes:
    """A 32 bit attribute in network byte order."""
    return attribute(kind, struct.pack("!I", value))


def said(kind: int, comment: str) -> bytes:
    """A comment as nft keeps it, in the user data of a rule or an element; nothing for none."""
    if not comment:
        return b""
    words = comment.encode() + b"\0"
    return attribute(kind, bytes((0, len(words))) + words)


def verdict(code: int, chain: str = "") -> bytes:
    """What an element or a rule decides: GOTO a chain, DROP."""
    return attribute(
        VERDICT, attribute(1, struct.pack("!i", code)) + (text(2, chain) if chain else b"")
    )


# --- expressions ---


def _expression(name: str, data: bytes) -> bytes:
    return attribute(ITEM, text(1, name) + nested(2, data))


def load_meta(key: int) -> bytes:
    """Load a packet's mark, interface or protocol."""
    return _expression("meta", number(2, key) + number(1, REGISTER))


def load_state() -> bytes:
    """Load the bits of the connection's state: ct state."""
    return _expression("ct", number(2, 0) + number(1, REGISTER))


def set_mark() -> bytes:
    """Make the packet's mark what was loaded and changed."""
    return _expression("meta", number(2, META_MARK) + number(3, REGISTER))


def or_mark(mark: int) -> bytes:
    """Set bits of what was loaded."""
    keep = attribute(VALUE, struct.pack("=I", ~mark & 0xFFFFFFFF))
    put = attribute(VALUE, struct.pack("=I", mark))
    data = number(1, REGISTER) + number(2, REGISTER) + number(6, 0) + number(3, 4)
    return _expression("bitwise", data + nested(4, keep) + nested(5, put))


def mask(kept: bytes) -> bytes:
    """Keep some bits of what was loaded."""
    data = number(1, REGISTER) + number(2, REGISTER) + number(6, 0) + number(3, len(kept))
    zero = attribute(VALUE, bytes(len(kept)))
    return _expression("bitwise", data + nested(4, attribute(VALUE, kept)) + nested(5, zero))


def load_source(length: int = 4) -> bytes:
    """Load the first bytes of a packet's source address."""
    return _expression(
        "payload", number(1, REGISTER) + number(2, 1) + number(3, 12) + number(4, length)
    )


def load_source_type() -> bytes:
    """Load what kind of address the source is: fib saddr type."""
    return _expression("fib", number(3, 1) + number(2, 3) + number(1, REGISTER))


def compare(operator: int, data: bytes) -> bytes:
    """Go on only if what was loaded is, or is not, ``data``."""
    return _expression(
        "cmp", number(1, REGISTER) + number(2, operator) + nested(3, attribute(VALUE, data))
    )


def outside(first: bytes, last: bytes) -> bytes:
    """Go on only if what was loaded lies not between two values."""
    ends = nested(3, attribute(VALUE, first)) + nested(4, attribute(VALUE, last))
    return _expression("range", number(1, REGISTER) + number(2, NOT_EQUAL) + ends)


@lru_cache(maxsize=1024)
def any_number(below: int) -> bytes:
    """Load a random number: numgen random mod."""
    return _expression(
        "numgen", number(1, REGISTER) + number(2, below) + number(3, 1) + number(4, 0)
    )


def look_up(name: str, *, into: int | None = None, inverse: bool = False) -> bytes:
    """Go on only if what was loaded is in a set, or is not; in a map, load where it leads."""
    data = number(2, REGISTER)
    if into is not None:
        data += number(3, into)
    data += text(1, name)
    if inverse:
        data += number(5, 1)
    return _expression("lookup", data)


def remember(name: str) -> bytes:
    """Put what was loaded in a dynamic set, and start its time again: update."""
    return _expression("dynset", number(4, REGISTER) + number(3, 1) + text(1, name))


def load(register: int, data: bytes) -> bytes:
    """Load a constant."""
    return _expression("immediate", number(1, register) + nested(2, attribute(VALUE, data)))


def decide(encoded_verdict: bytes) -> bytes:
    """End the rule with a verdict."""
    return _expression("immediate", number(1, VERDICT_REGISTER) + nested(2, encoded_verdict))


def dnat(port_register: int, *, flags: int = 0) -> bytes:
    """Send the packet to the address and port that were loaded."""
    data = number(1, 1) + number(2, socket.AF_INET) + number(3, REGISTER) + number(5, port_register)
    return _expression("nat", data + (number(7, flags) if flags else b""))
