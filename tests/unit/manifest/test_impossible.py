"""A Check that nothing could pass is refused where it says so."""

from __future__ import annotations

import pytest

from labkit.manifest.load import load_text
from tests.unit.manifest.marked import LAB, SERVICE, WEB, assert_one_error

OTHER = WEB.replace("web-1", "web-2")
HEAD = "apiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\n"
LEAVE = "leave it out, or give another outcome than"


def scenario(expect: str) -> str:
    return f"{LAB}{WEB}{OTHER}{SERVICE}{HEAD}spec: {{from: client, to: {{service: web}}, {expect}}}"


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        (
            "expect: {outcome: timeout, backends: §[web-1]}",
            f"spec.expect.backends: nobody answers where the outcome is timeout; {LEAVE} timeout",
        ),
        (
            "expect: {outcome: refused, clientSource: §preserved}",
            (
                "spec.expect.clientSource: no pod tells which source it saw where the outcome is "
                f"refused; {LEAVE} refused"
            ),
        ),
        (
            "expect: {outcome: unreachable, sameBackend: §false}",
            (
                "spec.expect.sameBackend: nobody answers where the outcome is unreachable; "
                f"{LEAVE} unreachable"
            ),
        ),
        (
            "expect: {outcome: reset, balance: §uniform}",
            f"spec.expect.balance: nobody answers where the outcome is reset; {LEAVE} reset",
        ),
        (
            "expect: {outcome: timeout, httpStatus: §200}",
            (
                "spec.expect.httpStatus: no HTTP answer comes where the outcome is timeout; "
                f"{LEAVE} timeout"
            ),
        ),
        (
            "expect: {sameBackend: §true, backends: [web-1, web-2]}",
            (
                "spec.expect.sameBackend: one pod cannot be 2 backends; "
                "give one backend, or sameBackend: false"
            ),
        ),
        (
            "expect: {sameBackend: §false, backends: [web-1]}",
            (
                "spec.expect.sameBackend: one backend is always the same pod; "
                "give several backends, or sameBackend: true"
            ),
        ),
        (
            "expect: {sameBackend: true, balance: §uniform}",
            (
                "spec.expect.balance: one pod that answers everything has no balance; "
                "leave out one of balance and sameBackend"
            ),
        ),
        (
            (
                "expect: {outcome: connected}, "
                "expectUnder: {ipvs: {outcome: timeout, backends: §[web-1]}}"
            ),
            (
                "spec.expectUnder.ipvs.backends: nobody answers where the outcome is timeout; "
                f"{LEAVE} timeout"
            ),
        ),
    ],
)
def test_what_rules_itself_out_is_told(expect: str, problem: str) -> None:
    assert_one_error(scenario(expect), problem)


@pytest.mark.parametrize(
    "expect",
    [
        "expect: {outcome: timeout, backends: []}",
        "expect: {outcome: timeout, replyFrom: web-1, sourceAnswers: RST}",
        "expect: {outcome: mixed, backends: [web-1], clientSource: preserved}",
        "expect: {outcome: connected, backends: [web-1, web-2], balance: uniform}",
        "expect: {sameBackend: true, backends: [web-1]}",
        "expect: {backends: [web-1], clientSource: node1}",
    ],
)
def test_what_can_be_is_left_alone(expect: str) -> None:
    assert len(load_text(scenario(expect)).checks) == 1
