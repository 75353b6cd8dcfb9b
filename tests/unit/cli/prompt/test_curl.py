"""Where a curl command goes."""

from __future__ import annotations

import shlex

import pytest

from labkit.cli.prompt.curl import outcomes, targets
from labkit.probe.flow import Outcome


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("curl node2:30080", ["node2:30080"]),
        ("curl -s http://node2:30080/clientip", ["node2:30080"]),
        ("/usr/bin/curl https://web/", ["web:443"]),
        ("curl web", ["web:80"]),
        ("curl -sm 2 -H 'Host: shop' web/hostname", ["web:80"]),
        ("curl -m2 -o /dev/null web", ["web:80"]),
        ("curl --max-time 2 --output x web", ["web:80"]),
        ("curl --max-time=2 web", ["web:80"]),
        ("curl --fail --silent web:8080 10.96.0.10", ["web:8080", "10.96.0.10:80"]),
        ("curl --url http://web:81", ["web:81"]),
        ("curl -X POST -d a=b 'http://web/?x=1&y=2'", ["web:80"]),
        ("curl ftp://web", []),
        ("curl http://web:port/", []),
        ("curl --version", []),
        ("wget web", []),
        ("", []),
    ],
)
def test_the_targets_of_a_command(command: str, found: list[str]) -> None:
    assert targets(shlex.split(command)) == found


def test_what_an_exit_status_says_of_the_flow() -> None:
    # curl(1), EXIT CODES: 22 is an HTTP error, 28 a time-out, 6 a name that is not known.
    assert outcomes(0) == outcomes(22) == frozenset({Outcome.CONNECTED})
    assert outcomes(28) == frozenset({Outcome.TIMED_OUT})
    assert Outcome.REFUSED in (outcomes(7) or ())
    assert outcomes(6) is None
