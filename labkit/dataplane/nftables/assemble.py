"""From the text of what a Service port has in nft's table to the messages that make it.

It reads what `labkit.dataplane.nftables.service` writes and the rules that lead there, and nothing
else: for all other text there is nft(8), which also lists what is made here as it was written.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Network
from itertools import count
from typing import Final

from labkit.dataplane.nftables import rules, values
from labkit.dataplane.nftables.steps import (
    AddChain,
    AddElements,
    AddRules,
    AddSet,
    DeleteChain,
    DeleteElements,
    DeleteSet,
    FlushChain,
    Step,
)
from labkit.kernel import nf_tables as nf
from labkit.kernel.netlink import Request, attribute
from labkit.kernel.nf_tables import Element, NewSet, Table

LOCAL_ADDRESS: Final = struct.pack("=I", 2)
"""RTN_LOCAL."""
PROTO_SPECIFIED: Final = 0x2
"""NF_NAT_RANGE_PROTO_SPECIFIED."""
INTERFACE_NAME: Final = 16
IN_ONE: Final = 128
NEW_STATE: Final = struct.pack("=I", 0x8)
"""NF_CT_STATE_BIT(IP_CT_NEW)."""
SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}

BIG_ENDIAN_KEY: Final = bytes.fromhex("000402000000")
MERGED: Final = bytes.fromhex("020401000000")
NUMBER_TO_ADDRESS: Final = bytes.fromhex("000401000000 010400000000 060400000000")
NUMBER_TO_VERDICT: Final = bytes.fromhex(
    "000401000000 010400000000 04080004 01000000 0100 060400000000"
)
OF_IP_SADDR: Final = bytes.fromhex("03140004 07000000 010c0004 0c000000 01040b000000")
"""What nft notes of a set to know how to list it: the byte order of keys, what they are compared
with (libnftnl, udata.h)."""


COMMENT: Final = ' comment "'
DYNAMIC_SET: Final = re.compile(
    r"type ipv4_addr; size (\d+); flags dynamic,timeout; timeout ([\ddhms]+)"
)
DURATION: Final = re.compile(r"(\d+)([dhms])")


class UnknownStatement(Exception):  # noqa: N818 - no error: nft is asked instead
    """The text says something that a Service port's rules never do."""


def requests(table: str, steps: Iterable[Step]) -> list[Request]:
    """Return the messages for the steps of a change.

    Raises:
        UnknownStatement: a step is about something that no Service port has.
    """
    return list(_Assembler(table).requests(steps))


def transactions(
    table: str, parts: Iterable[Iterable[Step]], *, size_bytes: int
) -> Iterator[Sequence[Request]]:
    """Return the messages for parts of a change in transactions of about that size.

    No part is in two of them.

    Raises:
        UnknownStatement: a step is about something that no Service port has.
    """
    assembler = _Assembler(table)
    held: list[Request] = []
    size = 0
    for part in parts:
        held += (more := list(assembler.requests(part)))
        size += sum(len(request.body) for request in more)
        if size >= size_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


class _Assembler:
    """Makes messages for one table."""

    def __init__(self, table: str) -> None:
        self._table = Table(table)
        self._numbers = count(1)

    def requests(self, steps: Iterable[Step]) -> Iterator[Request]:
        for step in steps:
            yield from self._requests(step)

    def _requests(self, step: Step) -> Iterator[Request]:  # noqa: C901 - a case for each step
        match step:
            case AddChain(chain):
                if chain.definition():
                    raise UnknownStatement(f"{chain.name} is a base chain or has a comment")
                yield self._table.new_chain(chain.name)
            case FlushChain(name):
                yield self._table.flush_chain(name)
            case DeleteChain(name):
                yield self._table.delete_chain(name)
            case AddRules(chain, rules):
                for rule in rules:
                    yield from _Rule(self._table, chain, self._numbers).requests(rule)
            case AddSet(collection):
                yield self._table.new_set(_dynamic_set(collection))
            case DeleteSet(name):
                yield self._table.delete_set(name)
            case AddElements(name, elements):
                new = [_element(*each) for each in elements.items()]
                yield from (self._table.new_elements(name, some) for some in _messages(new))
            case DeleteElements(name, keys):
                gone = [Element(values.key(key)) for key in keys]
                yield from (self._table.delete_elements(name, some) for some in _messages(gone))


class _Rule:
    """Reads the statements of one rule, one after the other."""

    def __init__(self, table: Table, chain: str, numbers: Iterator[int]) -> None:
        self._table = table
        self._chain = chain
        self._numbers = numbers
        self._sets: list[Request] = []
        self._expressions: list[bytes] = []

    def requests(self, rule: str) -> Iterator[Request]:
        """The rule's message, after those of its anonymous set."""
        rest, _, comment = rule.partition(COMMENT)
        while rest:
            rest = self._read_one(rest)
        yield from self._sets
        yield self._table.new_rule(self._chain, self._expressions, comment.removesuffix('"'))

    def _read_one(self, rest: str) -> str:
        """Read the first statement and return what follows it."""
        for pattern, read in STATEMENTS:
            if found := pattern.match(rest):
                self._expressions += read(self, *found.groups())
                return rest[found.end() :]
        raise UnknownStatement(rest)

    # --- what is matched ---

    def _l4proto(self, name: str) -> Sequence[bytes]:
        return _is_protocol(name)

    def _from_remembered(self, name: str) -> Sequence[bytes]:
        return nf.load_source(), nf.look_up(name)

    def _from_here(self) -> Sequence[bytes]:
        return nf.load_source_type(), nf.compare(nf.EQUAL, LOCAL_ADDRESS)

    def _by_interface(self, name: str, star: str) -> Sequence[bytes]:
        # A whole name is compared with all its zeros, the beginning of one without.
        data = name.encode() if star else name.encode().ljust(INTERFACE_NAME, b"\0")
        return nf.load_meta(nf.META_IIFNAME), nf.compare(nf.EQUAL, data)

    def _from_network(self, inverse: str, network: str) -> Sequence[bytes]:
        return _is_in(IPv4Network(network), nf.NOT_EQUAL if inverse else nf.EQUAL)

    def _not_from_range(self, first: str, last: str) -> Sequence[bytes]:
        return nf.load_source(), nf.outside(values.address(first), values.address(last))

    def _not_from_any(self, listed: str) -> Sequence[bytes]:
        ranges = [values.ends(each) for each in listed.split(", ")]
        addresses = all(first == last for first, last in ranges)
        self._anonymous(
            flags=0 if addresses else nf.INTERVAL,
            key=nf.IPV4_ADDRESS,
            told=BIG_ENDIAN_KEY + (b"" if addresses else MERGED) + OF_IP_SADDR,
            elements=list(values.points(ranges) if addresses else values.intervals(ranges)),
        )
        return nf.load_source(), nf.look_up(short_name(self._chain), inverse=True)

    def _is_new(self) -> Sequence[bytes]:
        return nf.load_state(), nf.mask(NEW_STATE), nf.compare(nf.NOT_EQUAL, bytes(4))

    # --- what is done ---

    def _jump(self, chain: str) -> Sequence[bytes]:
        return (nf.decide(nf.verdict(nf.JUMP, chain)),)

    def _goto(self, chain: str) -> Sequence[bytes]:
        return (nf.decide(nf.verdict(nf.GOTO, chain)),)

    def _drop(self) -> Sequence[bytes]:
        return (nf.decide(nf.verdict(nf.DROP)),)

    def _mark(self, mark: str) -> Sequence[bytes]:
        return _sets_mark(int(mark, 16))

    def _remember(self, name: str) -> Sequence[bytes]:
        return nf.load_source(), nf.remember(name)

    def _dnat(self, address: str, port: str) -> Sequence[bytes]:
        return (
            nf.load(nf.REGISTER, values.address(address)),
            nf.load(nf.NEXT_REGISTER, struct.pack("!H", int(port))),
            nf.dnat(nf.NEXT_REGISTER, flags=PROTO_SPECIFIED),
        )

    def _dnat_to_any(self, count: str, listed: str) -> Sequence[bytes]:
        targets = [value.split(" . ") for _, value in _numbered(listed)]
        self._anonymous(
            flags=nf.MAP,
            key=nf.INTEGER,
            data=nf.ADDRESS_AND_PORT,
            data_size=8,
            told=NUMBER_TO_ADDRESS,
            elements=[
                Element(
                    values.host_number(index),
                    attribute(nf.VALUE, values.address(address) + values.port(port)),
                )
                for index, (address, port) in enumerate(targets)
            ],
        )
        chosen = nf.look_up(short_name(self._chain), into=nf.REGISTER)
        return nf.any_number(int(count)), chosen, nf.dnat(nf.AFTER_ADDRESS)

    def _goto_any(self, count: str, listed: str) -> Sequence[bytes]:
        self._anonymous(
            flags=nf.MAP,
            key=nf.INTEGER,
            data=nf.VERDICTS,
            told=NUMBER_TO_VERDICT,
            elements=[
                Element(values.host_number(int(index)), _verdict(value))
                for index, value in _numbered(listed)
            ],
        )
        return nf.any_number(int(count)), nf.look_up(
            short_name(self._chain), into=nf.VERDICT_REGISTER
        )

    # --- its anonymous set ---

    def _anonymous(
        self,
        *,
        flags: int,
        key: int,
        told: bytes,
        elements: Sequence[Element],
        data: int = 0,
        data_size: int = 0,
    ) -> None:
        new = NewSet(
            name=short_name(self._chain),
            number=next(self._numbers),
            flags=nf.ANONYMOUS | nf.CONSTANT | flags,
            key=key,
            data=data,
            data_size=data_size,
            size=len(elements),
            told=told,
        )
        self._sets.append(self._table.new_set(new))
        self._sets += (self._table.fill(new, some) for some in _messages(elements))


NAME: Final = r"([^\s{};]+)"
STATEMENTS: Final[Sequence[tuple[re.Pattern[str], Callable[..., Sequence[bytes]]]]] = [
    (re.compile(rf"{pattern}(?: |$)"), read)
    for pattern, read in (
        (r"meta l4proto (tcp|udp|sctp)", _Rule._l4proto),
        (r"dnat ip to numgen random mod (\d+) map \{ ([^}]+) \}", _Rule._dnat_to_any),
        (r"meta mark set meta mark \| (0x[0-9a-f]{8})", _Rule._mark),
        (rf"goto {NAME}", _Rule._goto),
        (r"ip saddr (!= )?([\d.]+(?:/\d+)?)", _Rule._from_network),
        (r"fib saddr type local", _Rule._from_here),
        (r'iifname "([^"*]+)(\*?)"', _Rule._by_interface),
        (rf"ip saddr @{NAME}", _Rule._from_remembered),
        (r"numgen random mod (\d+) vmap \{ ([^}]+) \}", _Rule._goto_any),
        (rf"update @{NAME} \{{ ip saddr \}}", _Rule._remember),
        (r"dnat to ([\d.]+):(\d+)", _Rule._dnat),
        (r"ip saddr != ([\d.]+)-([\d.]+)", _Rule._not_from_range),
        (r"ip saddr != \{ ([^}]+) \}", _Rule._not_from_any),
        (r"drop", _Rule._drop),
        (r"ct state new", _Rule._is_new),
        (rf"jump {NAME}", _Rule._jump),
    )
]
"""What the rules of Service ports are made of, and who reads it; the frequent ones first."""


# --- what many rules have ---


@lru_cache
def _is_protocol(name: str) -> Sequence[bytes]:
    return nf.load_meta(nf.META_L4PROTO), nf.compare(nf.EQUAL, bytes([values.PROTOCOLS[name]]))


@lru_cache
def _sets_mark(mark: int) -> Sequence[bytes]:
    return nf.load_meta(nf.META_MARK), nf.or_mark(mark), nf.set_mark()


@lru_cache
def _is_in(network: IPv4Network, operator: int) -> Sequence[bytes]:
    """Whole bytes are loaded and compared; of a prefix that ends inside of one, the rest is cut."""
    whole, bits = divmod(network.prefixlen, 8)
    if bits or not whole:
        masked = nf.load_source(), nf.mask(network.netmask.packed)
        return *masked, nf.compare(operator, network.network_address.packed)
    return nf.load_source(whole), nf.compare(operator, network.network_address.packed[:whole])


def _messages(elements: Sequence[Element]) -> Iterator[Sequence[Element]]:
    """As many elements as surely fit: an attribute has 64 KiB at most, an element half a KiB."""
    return (elements[at : at + IN_ONE] for at in range(0, len(elements), IN_ONE))


def short_name(chain: str) -> str:
    """A name for the anonymous set of a chain: 40 bits of a hash in seven characters.

    The kernel looks at the names of all sets for each new one. Eight bytes each, they lie side by
    side, and the look takes a third of the time.
    """
    digest = hashlib.sha256(chain.encode()).digest()[:5]
    return base64.urlsafe_b64encode(digest).decode()[:7]


def _element(key: str, element: rules.Element) -> Element:
    data = _verdict(element.verdict) if element.verdict else b""
    return Element(values.key(key), data, element.comment)


def _verdict(text: str) -> bytes:
    if text == "drop":
        return nf.verdict(nf.DROP)
    verb, _, chain = text.partition(" ")
    if verb != "goto":
        raise UnknownStatement(text)
    return nf.verdict(nf.GOTO, chain)


def _numbered(listed: str) -> Iterator[tuple[str, str]]:
    for item in listed.split(", "):
        index, _, value = item.partition(" : ")
        yield index, value


def _dynamic_set(collection: rules.Collection) -> NewSet:
    """A set that packets fill: the sources that an endpoint remembers."""
    found = DYNAMIC_SET.fullmatch("; ".join(collection.definition))
    if not found:
        raise UnknownStatement(collection.name)
    size, duration = found.groups()
    seconds = sum(int(count) * SECONDS[unit] for count, unit in DURATION.findall(duration))
    return NewSet(
        name=collection.name,
        flags=nf.TIMEOUT | nf.EVAL,
        key=nf.IPV4_ADDRESS,
        size=int(size),
        timeout_ms=1000 * seconds,
        told=BIG_ENDIAN_KEY,
    )
