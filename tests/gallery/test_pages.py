"""The pages of the gallery: what ships is whole, and what is in docs was made of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from harness import scenario
from harness.gallery import Page, pages
from harness.gallery.build import ENDINGS
from harness.gallery.figures import Figures
from harness.gallery.pictures import PICTURES
from harness.statistics import quantile_interval

PAGES = pages()
LINES = [
    "time-limit", "memory-ceiling", "temporary-disk", "any-runtime", "cold-start", "burst", "trickle", "steady",
    "nightly-drop", "steps", "spot",
]  # fmt: skip
MOST_BYTES = 60_000
# Of 350 that a page has on a telephone: letters of 13 px are 9 there at the least.
WIDEST_PX = 500


@pytest.fixture
def docs(root: Path) -> Path:
    return root / "docs" / "gallery"


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.]*?(?:\.(?!\s|$)[^.]*?)*\.(?=\s|$)", text)


def test_every_line_of_the_comparison_has_a_page() -> None:
    assert list(PAGES) == LINES


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_page_names_a_scenario_a_picture_and_its_arms(page: Page) -> None:
    assert page.picture in PICTURES
    shipped = scenario.load(scenario.find(page.scenario))
    texts = " ".join((page.shown, page.verdict, *page.sentences))
    named = set(re.findall(r"\w+\('(\w+)'", texts))
    assert named
    assert named <= shipped.placements.keys()
    figures = {each for each in re.findall(r"(\w+)\(", texts) if each in vars(Figures)}
    assert figures == set(re.findall(r"(\w+)\('", texts)), "a figure that is not there"


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_scenario_of_the_gallery_is_short_and_says_how_it_is_scaled(page: Page) -> None:
    path = scenario.find(page.scenario)
    shipped = scenario.load(path)
    waits_s = sum(getattr(phase.arrivals, "duration_s", 0.0) for phase in shipped.phases)
    assert page.blocks * waits_s * len(shipped.placements) < 60
    comment = path.read_text().split("\nname =")[0]
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert "scaled" in comment, "how, or that nothing is"


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_a_scenario_of_the_gallery_has_items_enough_for_its_own_objectives(page: Page) -> None:
    """Else the report rules out, for want of items, what the page compares."""
    shipped = scenario.load(scenario.find(page.scenario))
    for objective in shipped.objectives:
        phases = [each for each in shipped.phases if objective.phase in (None, each.name)]
        for phase in phases:
            items = len(phase.arrivals.offsets_s(np.random.default_rng(1)))
            quantile = objective.quantile
            assert quantile is None or quantile_interval(np.arange(float(items)), quantile) is not None


def test_a_placement_that_the_steady_load_is_compared_with_may_not_be_ruled_out() -> None:
    assert "not ruled_out('service')" in PAGES["steady"].shown


def test_the_verdict_on_the_nightly_drop_tells_all_three_for_one_night() -> None:
    verdict = PAGES["nightly-drop"].verdict
    assert set(re.findall(r"\w+\('(\w+)'", verdict)) == {"function", "batch", "service"}
    assert "a month" not in verdict
    assert "month('service', 6000) / 30" in verdict


@pytest.mark.parametrize(
    ("name", "told"), [("trickle", "one task"), ("steady", "two tasks"), ("nightly-drop", "four tasks")]
)
def test_what_a_service_costs_is_told_with_its_tasks(name: str, told: str) -> None:
    """Or the same load has two prices in one table."""
    counts = {"one task": 1, "two tasks": 2, "four tasks": 4}
    service = scenario.load(scenario.find(PAGES[name].scenario)).placements["service"]
    assert told in PAGES[name].verdict
    assert getattr(service, "tasks", None) == counts[told]


@pytest.mark.parametrize("name", LINES)
def test_the_page_in_docs_has_its_picture_and_five_sentences(docs: Path, name: str) -> None:
    text = (docs / f"{name}.md").read_text()
    page = PAGES[name]
    title, picture, caption, told, run, aws = text.strip().split("\n\n")
    assert title == f"# {page.title}"
    assert picture == f"![{page.alt}]({name}.svg)"
    assert caption.startswith("*A run of 20")
    assert len(told.splitlines()) == len(sentences(told)) == 5
    assert f"`harness gallery {name}`" in run
    assert page.image or f"`harness run {page.scenario}" in run
    assert aws == f"**What AWS says:** {page.aws}"
    for ending in ENDINGS.values():
        drawing = (docs / f"{name}{ending}").read_text()
        assert len(drawing.encode()) < MOST_BYTES
        assert ET.fromstring(drawing).tag.endswith("svg")
        assert float(ET.fromstring(drawing).attrib["width"]) <= WIDEST_PX, (
            "letters shrink with it on a telephone"
        )
    assert " - " not in told.replace("\n", " "), "a dash stands for a figure that is not there"


def test_the_contents_lead_to_every_page(docs: Path) -> None:
    text = (docs / "README.md").read_text()
    assert re.findall(r"\]\(([\w-]+)\.md\)", text) == LINES
    assert {path.stem for path in docs.glob("*.md")} == {*LINES, "README"}
