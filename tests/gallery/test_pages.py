"""The pages of the gallery: what ships is whole, and what is in docs was made of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness import scenario
from harness.gallery import Page, pages
from harness.gallery.figures import Figures
from harness.gallery.pictures import PICTURES

PAGES = pages()
LINES = [
    "time-limit", "memory-ceiling", "temporary-disk", "any-runtime", "cold-start", "burst", "trickle", "steady",
    "nightly-drop", "steps", "spot",
]  # fmt: skip
MOST_BYTES = 60_000


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
    drawing = (docs / f"{name}.svg").read_text()
    assert len(drawing.encode()) < MOST_BYTES
    assert ET.fromstring(drawing).tag.endswith("svg")
    assert " - " not in told.replace("\n", " "), "a dash stands for a figure that is not there"


def test_the_contents_lead_to_every_page(docs: Path) -> None:
    text = (docs / "README.md").read_text()
    assert re.findall(r"\]\(([\w-]+)\.md\)", text) == LINES
    assert {path.stem for path in docs.glob("*.md")} == {*LINES, "README"}
