"""The index page of the gallery in a real browser: nothing is fetched, and anybody can read and use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.gallery import pages
from harness.gallery.build import Card, write_index, write_pages
from harness.gallery.pictures import LETTERS, draw
from tests.synthetic import make_run


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index with a card for each page; all have the picture of a made-up run, one is not shown."""
    folder = tmp_path_factory.mktemp("gallery")
    run = make_run(folder / "run", blocks=2, warmup_blocks=0)
    (run.folder / "report.html").write_text("<!doctype html><html data-drawn><title>The report</title>")
    pictures = draw(run, "progress", None)
    assert pictures is not None
    five = ("One.", "Two.", "Three.", "Four.", "Five.")
    cards = [
        Card(page, f"Verdict of {name}.", five, pictures, "A run.", name != "spot", "run/report.html")
        for name, page in pages().items()
    ]
    write_pages(cards, folder)
    return write_index(cards, folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_without_a_complaint_or_a_request(
    opened: Any, index: Path, screenshots: Path, width: int, scheme: str
) -> None:
    found = opened(index, width, scheme)
    found.page.screenshot(path=screenshots / f"gallery-{scheme}-{width}.png", full_page=True)
    found.assert_alone(index)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_drawn_in_both_themes(opened: Any, index: Path, scheme: str) -> None:
    page = opened(index, 1280, scheme).page
    widths = page.eval_on_selector_all("article img", "all => all.map(each => each.naturalWidth)")
    assert len(widths) == len(pages())
    assert all(width > 300 for width in widths)
    sources = page.eval_on_selector_all("article img", "all => all.map(each => each.currentSrc)")
    themed = page.eval_on_selector_all("article source", "all => all.map(each => each.srcset)")
    assert (sources == themed) == (scheme == "dark")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_the_keyboard_reaches_everything_in_order(opened: Any, index: Path) -> None:
    page = opened(index).page
    seen = []
    for _ in range(1 + 3 * len(pages())):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.tagName")
        )
    assert seen[0] == "#lines", "the first leads past the list"
    assert seen[1 : 1 + len(pages())] == [f"#{name}" for name in pages()]
    assert seen[1 + len(pages()) :] == [each for _ in pages() for each in ("SUMMARY", "run/report.html")]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator("article#spot details").get_attribute("open") is not None
    assert page.get_by_text("One. Two. Three. Four. Five.").last.is_visible()


def test_a_reader_of_screens_is_told_what_is_seen(opened: Any, index: Path) -> None:
    page = opened(index).page
    for name, about in pages().items():
        card = page.get_by_role("article", name=about.title, exact=True)
        assert card.get_by_role("img").get_attribute("alt") == about.alt
        assert card.get_by_text(f"Verdict of {name}.").is_visible()
    assert page.get_by_role("note").count() == 1
    names = page.get_by_role("link").evaluate_all(
        "all => all.map(each => each.ariaLabel ?? each.textContent)"
    )
    assert len(set(names)) == len(names), "no two links sound alike"


def test_links_lead_to_reports_and_what_a_page_says_is_in_its_card(opened: Any, index: Path) -> None:
    """A page itself is Markdown, which a browser shows as it is typed."""
    page = opened(index).page
    addresses = page.eval_on_selector_all("main a", "all => all.map(each => each.getAttribute('href'))")
    assert set(addresses) == {"run/report.html"}
    page.locator("article#time-limit summary").click()
    assert page.locator("article#time-limit code", has_text="attemptDurationSeconds").is_visible()
    page.get_by_role("link", name="Report of the run").first.click()
    assert page.title() == "The report"


def test_letters_of_pictures_can_be_read_on_a_telephone(opened: Any, index: Path) -> None:
    """They are drawn at 13 px, and shrink with their picture."""
    page = opened(index, 390).page
    shrunk = page.eval_on_selector_all(
        "article img", "all => all.map(each => each.width / each.naturalWidth)"
    )
    assert min(shrunk) * LETTERS["labelFontSize"] >= 9


def test_it_is_printed_on_few_pages(opened: Any, index: Path) -> None:
    printed = opened(index).page.pdf(format="A4")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12
