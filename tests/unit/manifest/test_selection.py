"""Label selectors: what they mean, and how many objects they ask."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from labkit.manifest.selection import Labelled, Selection

PODS = [
    Labelled("default", {"app": "web", "tier": "front"}, "web-1"),
    Labelled("default", {"app": "web"}, "web-2"),
    Labelled("other", {"app": "web", "tier": "front"}, "web-3"),
    Labelled("default", {"app": "db", "tier": "front"}, "db"),
    Labelled("default", {}, "bare"),
]


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ({"app": "web"}, ["web-1", "web-2"]),
        ({"app": "web", "tier": "front"}, ["web-1"]),
        ({"tier": "front"}, ["web-1", "db"]),
        ({"app": "web", "tier": "back"}, []),
        ({"nobody": "has"}, []),
        ({}, []),
        (None, []),
    ],
)
def test_a_selector_means_what_has_all_of_its_labels_in_its_namespace(
    selector: Mapping[str, str] | None, meant: list[str]
) -> None:
    assert list(Selection(PODS).selected("default", selector)) == meant


class Asked(dict[str, str]):
    """Labels that count how often a selector was compared with them."""

    compared = 0

    def items(self) -> object:  # type: ignore[override]
        Asked.compared += 1
        return super().items()


def test_a_selector_asks_those_alone_that_have_its_rarest_label() -> None:
    pods = [Labelled("default", Asked(app="web", pod=f"web-{n}"), n) for n in range(1000)]
    selection = Selection(pods)
    Asked.compared = 0

    assert list(selection.selected("default", {"app": "web", "pod": "web-7"})) == [7]
    assert Asked.compared == 1
