"""The pictures in docs/ are what labkit draws now."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cluster.build import build_cluster
from labkit.manifest.load import load
from labkit.report.graph import render_graph

ROOT = Path(__file__).parent.parent.parent
PICTURES = sorted((ROOT / "docs").glob("*.svg"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_in_the_docs_is_drawn_from_its_scenario(picture: Path) -> None:
    scenario = f"scenarios/{picture.stem}.yaml"
    drawn = render_graph(build_cluster(load(ROOT / scenario)), "svg")

    remedy = f"labkit graph {scenario} -o svg=docs/{picture.name}"
    assert picture.read_text() == drawn, f"draw it again: {remedy}"


def test_there_are_pictures() -> None:
    assert PICTURES
