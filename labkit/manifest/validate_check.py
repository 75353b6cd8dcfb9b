"""Checks: every name in one exists, and something is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from labkit.manifest import kinds
from labkit.manifest.addresses import address_findings, ipv4
from labkit.manifest.impossible import impossible
from labkit.manifest.key import DEFAULT_NAMESPACE, Key
from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.scope import PodShape, Scope
from labkit.manifest.validate_service import is_headless

PORTS: Final = range(1, 65536)
MOST_ATTEMPTS: Final = 100_000
MOST_REQUEST_BYTES: Final = 60_000
"""A datagram of IPv4 has room for 65,507 bytes, and an answer says more than it was asked."""
LONGEST_NAME: Final = 200
PRESERVED: Final = "preserved"
_REMEDY: Final = "give conformant, outcome, backends or clientSource"
_STATUSES: Final = range(100, 600)
_TO: Final[Path] = ("spec", "to")
_EXPECT: Final[Path] = ("spec", "expect")
_GIVE_PORT: Final = "give a port between 1 and 65535"


def check_findings(check: kinds.Check, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one Check."""
    name = check.metadata.name
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        remedy = f"say what is checked, in one line of at most {LONGEST_NAME} characters"
        yield Finding(("metadata", "name"), f"'{quote(name)}' is no name", remedy)
    yield from _sources(check.spec, scope)
    yield from _target(check.spec, scope)
    attempts = check.spec.attempts
    if attempts is not None and not 0 < attempts <= MOST_ATTEMPTS:
        remedy = f"give 1 to {MOST_ATTEMPTS}"
        yield Finding(("spec", "attempts"), f"{attempts} is out of range", remedy)
    yield from _request(check.spec)
    yield from _expect(check.spec.expect, _EXPECT, scope)
    for dataplane, expect in check.spec.expect_under.items():
        yield from _expect(expect, ("spec", "expectUnder", dataplane), scope)


def _request(spec: kinds.CheckSpec) -> Iterator[Finding]:
    where: Path = ("spec", "requestBytes")
    if spec.request_bytes is None:
        return
    if not 0 < spec.request_bytes <= MOST_REQUEST_BYTES:
        remedy = f"give 1 to {MOST_REQUEST_BYTES}"
        yield Finding(where, f"{spec.request_bytes} is out of range", remedy)
    elif spec.protocol == "SCTP":
        yield Finding(where, "not for SCTP", "leave it out, or give protocol: TCP or UDP")


def _sources(spec: kinds.CheckSpec, scope: Scope) -> Iterator[Finding]:
    where: Path = ("spec", "from")
    known = [*scope.clients, *scope.nodes, *scope.pods]
    if isinstance(spec.from_, str):
        yield from _unknown("host", spec.from_, known, where, scope)
        return
    if not spec.from_:
        yield Finding(where, "an empty list", "name a client, node or pod")
    for index, name in enumerate(spec.from_):
        yield from _unknown("host", name, known, (*where, index), scope)


def _unknown(
    what: str, name: str, known: Sequence[str], path: Path, scope: Scope
) -> Iterator[Finding]:
    if name not in known and scope.complete:
        message = f"there is no {what} '{quote(name)}' in this lab"
        yield Finding(path, message, nearest(name, known))


def _target(spec: kinds.CheckSpec, scope: Scope) -> Iterator[Finding]:
    to = spec.to
    choices = {"node": to.node, "service": to.service, "pod": to.pod, "address": to.address}
    given = [field for field, value in choices.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "no destination"
        yield Finding(_TO, found, "give exactly one of node, service, pod and address")
        return
    if to.via != "ClusterIP" and to.service is None:
        yield Finding((*_TO, "via"), "only for a service", "leave it out, or give service")
    if isinstance(to.port, int) and to.port not in PORTS:
        yield Finding((*_TO, "port"), f"{to.port} is no port", _GIVE_PORT)
        return
    if isinstance(to.port, str) and to.port.isdecimal():
        remedy = f"write the number without quotes: {quote(to.port)}"
        yield Finding((*_TO, "port"), f"the text '{quote(to.port)}'", remedy)
        return
    yield from _destination(to, spec.protocol, scope)


def _destination(to: kinds.Target, protocol: str, scope: Scope) -> Iterator[Finding]:
    if to.node is not None:
        yield from _unknown("node", to.node, scope.nodes, (*_TO, "node"), scope)
        yield from _needs_number(to)
    elif to.address is not None:
        yield from address_findings(to.address, (*_TO, "address"))
        yield from _needs_number(to)
    elif to.pod is not None:
        yield from _unknown("pod", to.pod, list(scope.pods), (*_TO, "pod"), scope)
        pod = scope.pods.get(to.pod)
        if pod:
            yield from _pod_port(to, pod)
    else:
        yield from _service(to, protocol, scope)


def _needs_number(to: kinds.Target) -> Iterator[Finding]:
    where = (*_TO, "port")
    if to.port is None:
        yield Finding(where, "required", _GIVE_PORT)
    elif isinstance(to.port, str):
        message = f"the name '{quote(to.port)}' means nothing here"
        yield Finding(where, message, _GIVE_PORT)


def _pod_port(to: kinds.Target, pod: PodShape) -> Iterator[Finding]:
    """A number, a name that the pod declares, or nothing where it declares one port."""
    if isinstance(to.port, int):
        return
    declared = [port for container in pod.spec.containers for port in container.ports]
    numbers = {port.container_port for port in declared if to.port in (None, port.name)}
    if len(numbers) == 1:
        return
    known = sorted({port.name or str(port.container_port) for port in declared})
    where = (*_TO, "port")
    if to.port is None:
        message = f"pod {to.pod} declares {len(numbers)} ports"
        yield Finding(where, message, f"say which: {', '.join(known)}" if known else _GIVE_PORT)
    else:
        message = f"pod {to.pod} declares no port '{quote(to.port)}'"
        yield Finding(where, message, nearest(to.port, known, none=_GIVE_PORT))


def _service(to: kinds.Target, protocol: str, scope: Scope) -> Iterator[Finding]:
    namespace, slash, name = (to.service or "").partition("/")
    key = Key(namespace, name) if slash else Key(DEFAULT_NAMESPACE, namespace)
    if key not in scope.services:
        known = [each.shown for each in scope.services]
        message = f"there is no Service '{quote(key.shown)}' in this lab"
        yield Finding((*_TO, "service"), message, nearest(key.shown, known))
        return
    service = scope.services[key]
    if service is None:
        return
    yield from _service_address(to, key, service)
    yield from _service_port(to, service.spec, protocol)


def _service_address(to: kinds.Target, key: Key, service: kinds.Service) -> Iterator[Finding]:
    spec = service.spec
    ingress = [entry.ip for entry in service.status.load_balancer.ingress if entry.ip]
    has = {
        "ClusterIP": spec.type != "ExternalName" and not is_headless(spec),
        "ExternalIP": bool(spec.external_ips),
        "LoadBalancer": bool(ingress),
    }
    if not has[to.via]:
        ways = [way for way, there in has.items() if there]
        remedy = f"give via: {' or '.join(ways)}" if ways else "aim at a pod or a node instead"
        yield Finding((*_TO, "via"), f"Service {key.shown} has no {to.via} address", remedy)


def _service_port(to: kinds.Target, spec: kinds.ServiceSpec, protocol: str) -> Iterator[Finding]:
    where, wanted = (*_TO, "port"), to.port
    if not spec.ports:
        return
    if wanted is None:
        fitting = list(spec.ports)
    elif isinstance(wanted, str):
        fitting = [port for port in spec.ports if port.name == wanted]
    else:
        same = [port for port in spec.ports if port.port == wanted]
        fitting = [port for port in same if len(same) == 1 or port.protocol == protocol]
    if len(fitting) == 1:
        return
    known = [port.name or str(port.port) for port in spec.ports]
    if fitting:
        message = f"Service {quote(str(to.service))} has several such ports"
        yield Finding(where, message, f"name one of: {', '.join(known)}")
    else:
        message = f"Service {quote(str(to.service))} has no port {quote(str(wanted))}"
        yield Finding(where, message, nearest(str(wanted), known))


def _expect(expect: kinds.Expect, at: Path, scope: Scope) -> Iterator[Finding]:
    if expect == kinds.Expect():
        yield Finding(at, "nothing is expected", _REMEDY)
    yield from impossible(expect, at)
    for index, name in enumerate(expect.backends or ()):
        where = (*at, "backends", index)
        yield from _unknown("pod", name, list(scope.pods), where, scope)
    yield from _client_source(expect.client_source, (*at, "clientSource"), scope)
    if expect.reply_from is not None and ipv4(expect.reply_from) is None:
        known = [*scope.pods, *scope.nodes]
        yield from _unknown("pod or node", expect.reply_from, known, (*at, "replyFrom"), scope)
    status = expect.http_status
    if status is not None and status not in _STATUSES:
        yield Finding((*at, "httpStatus"), f"{status} is no HTTP status", "give 100 to 599")


def _client_source(source: str | list[str] | None, where: Path, scope: Scope) -> Iterator[Finding]:
    if isinstance(source, str):
        yield from _source(source, where, scope)
        return
    if source == []:
        yield Finding(where, "an empty list", "give preserved, a node or an address")
    for index, word in enumerate(source or ()):
        yield from _source(word, (*where, index), scope)


def _source(word: str, path: Path, scope: Scope) -> Iterator[Finding]:
    known = [PRESERVED, *scope.nodes]
    if word in known or ipv4(word) is not None or not scope.complete:
        return
    message = f"'{quote(word)}' is not preserved, no node and no address"
    yield Finding(path, message, nearest(word, known))
