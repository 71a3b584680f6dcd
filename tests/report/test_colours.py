"""The colours of arms: the same for a kind wherever it comes, seen on both papers, told apart by everybody."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.report import html
from harness.report.chart_parts import BY_KIND, DASHES, EDGE, PALETTE, colour, colours
from harness.report.charts import charts
from harness.report.contents import Contents
from harness.runs import Run
from tests.synthetic import make_run

STYLE = (Path(html.__file__).parent / "page" / "style.css").read_text(encoding="utf-8")
PAPERS = re.findall(r"--paper: (#[0-9a-f]{6})", STYLE)
# What WCAG 2.2 asks of graphics (1.4.11), and what CIE 1976 differences are called apart at a glance.
LEAST_CONTRAST, LEAST_DIFFERENCE = 3.0, 15.0
# Linear RGB as it is seen without the long, middle or short cones: Machado, Oliveira and Fernandes, 2009, severity 1.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    found: NDArray[np.float64] = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return found


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(XYZ[1] @ linear(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(seen @ linear(colour), 0, 1), 1e-6) / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r", blocks=1, warmup_blocks=0)


def of_arms(run: Run, *arms: tuple[str, str]) -> Run:
    known = {name: {"placement": kind, "duplicate_of": None} for name, kind in arms}
    none = run.attempts.iloc[:0]
    return replace(run, attempts=none, manifest=run.manifest | {"arms": known})


def test_both_papers_are_known() -> None:
    assert len(set(PAPERS)) == 2


@pytest.mark.parametrize("drawn", [*PALETTE, EDGE["stroke"]])
@pytest.mark.parametrize("paper", PAPERS)
def test_every_colour_is_seen_on_both_papers(drawn: str, paper: str) -> None:
    assert contrast(drawn, paper) >= LEAST_CONTRAST


@pytest.mark.parametrize("seen", SEEN)
def test_colours_are_told_apart_with_and_without_each_kind_of_cone(seen: str) -> None:
    near = {
        (one, other): float(np.linalg.norm(lab(one, SEEN[seen]) - lab(other, SEEN[seen])))
        for one, other in combinations(PALETTE, 2)
    }
    assert min(near.values()) >= LEAST_DIFFERENCE, near


def test_the_first_of_a_kind_has_the_kinds_colour_in_whatever_order(run: Run) -> None:
    there = colours(of_arms(run, ("service", "service"), ("tasks", "service"), ("batch", "batch")))
    back = colours(of_arms(run, ("batch", "batch"), ("function", "function"), ("service", "service")))
    assert there["service"] == back["service"] == BY_KIND["service"]
    assert there["batch"] == back["batch"] == BY_KIND["batch"]
    assert back["function"] == BY_KIND["function"]
    assert there["tasks"] not in BY_KIND.values()


def test_as_many_arms_as_there_are_colours_have_one_each(run: Run) -> None:
    kinds = ["function", "batch", "service", "function", "function", "service"]
    found = colours(of_arms(run, *((f"arm{n}", kind) for n, kind in enumerate(kinds))))
    assert len(set(found.values())) == len(PALETTE)


def test_a_chart_has_the_colours_of_the_arms_that_it_shows(run: Run) -> None:
    for of in (run, Contents(run)):
        drawn: Any = colour(of, ["service", "function"]).to_dict()
        scale = drawn["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
            "function": BY_KIND["function"], "service": BY_KIND["service"],
        }  # fmt: skip


def test_lines_are_told_apart_by_their_dashes_too_and_pale_bars_by_their_edges(tmp_path: Path) -> None:
    contents = Contents(make_run(tmp_path / "r", blocks=1, warmup_blocks=0, failed_share=0.2))
    specs = {chart.key: json.dumps(chart.spec) for chart in charts(contents)}
    assert len({tuple(each) for each in DASHES.values()}) == len(PALETTE)
    for key in ("latency", "throughput"):
        assert '"strokeDash": {"field": "arm"' in specs[key]
    for key in ("parts", "failures"):
        assert f'"stroke": "{EDGE["stroke"]}"' in specs[key]
