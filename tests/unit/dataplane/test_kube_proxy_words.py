"""What is told of a kube-proxy's own words: its errors, and the Events that it posts."""

from __future__ import annotations

from labkit.dataplane.kube_proxy.plane import complaints, events_text

LOG = """I1125 20:39:19.116412       1 server.go:226] starting
W1125 20:39:19.132628       1 proxier.go:651] Failed to read file
E1125 20:39:21.302457       1 server_others.go:106] Can't use the IPVS proxier
I1125 20:39:21.401496       1 node.go:172] Error in a message of another kind
F1125 20:39:22.000000       1 server.go:1] gone
"""


def test_errors_come_before_what_it_said_last() -> None:
    assert complaints(LOG) == (
        "; it complains: E1125 20:39:21.302457       1 server_others.go:106] Can't use the IPVS "
        "proxier | F1125 20:39:22.000000       1 server.go:1] gone"
    )


def test_the_first_errors_are_enough() -> None:
    many = "\n".join(f"E1125 20:39:21.302457       1 x.go:{n}] no" for n in range(9))

    assert complaints(many).count("no") == 3
    assert "x.go:0]" in complaints(many)


def test_without_errors_it_complains_of_nothing() -> None:
    assert not complaints("I1125 20:39:19.116412       1 server.go:226] starting\n")


def test_events_of_both_apis_are_one_line_each() -> None:
    old = {"type": "Normal", "reason": "Starting", "message": "Starting kube-proxy."}
    new = {"type": "Warning", "reason": "FailedToStart", "note": "no such mode"}

    assert events_text([old, new]) == (
        "Normal Starting Starting kube-proxy.\nWarning FailedToStart no such mode\n"
    )
