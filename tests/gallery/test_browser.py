"""The index page in headless Chromium: nothing is fetched, nothing fails, and it can be read and used by anybody."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.gallery import pages
from harness.gallery.build import Card, write_index, write_pages
from harness.gallery.pictures import draw
from tests.synthetic import make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    # Playwright closes its own event loop late, and pytest sees it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index with a card for each page; all have the picture of a made-up run, one is not shown."""
    folder = tmp_path_factory.mktemp("gallery")
    run = make_run(folder / "run", blocks=2, warmup_blocks=0)
    (run.folder / "report.html").write_text("<!doctype html><title>The report</title>")
    pictures = draw(run, "progress", None)
    assert pictures is not None
    five = ("One.", "Two.", "Three.", "Four.", "Five.")
    cards = [
        Card(page, f"Verdict of {name}.", five, pictures, "A run.", name != "spot", "run/report.html")
        for name, page in pages().items()
    ]
    write_pages(cards, folder)
    return write_index(cards, folder)


def opened(browser: Browser, index: Path, theme: Literal["light", "dark"], width: int = 1300) -> Page:
    """The page, and that opening it asked for no file but itself and told of no error."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url) if _fetched(request.url, index) else None)
    page.goto(index.as_uri())
    page.wait_for_load_state("networkidle")
    assert troubles == []
    return page


def _fetched(url: str, index: Path) -> bool:
    return not url.startswith("data:") and url != index.as_uri()


def kept(page: Page, root: Path, name: str) -> None:
    """A screenshot of the whole page, in a folder that git ignores."""
    folder = root / ".cache" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_are_drawn_in_both_themes(browser: Browser, index: Path, root: Path, theme: Any) -> None:
    page = opened(browser, index, theme)
    widths = page.eval_on_selector_all("article img", "all => all.map(each => each.naturalWidth)")
    assert len(widths) == len(pages())
    assert all(width > 300 for width in widths)
    sources = page.eval_on_selector_all("article img", "all => all.map(each => each.currentSrc)")
    themed = page.eval_on_selector_all("article source", "all => all.map(each => each.srcset)")
    assert (sources == themed) == (theme == "dark")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (theme == "light")
    kept(page, root, f"gallery-{theme}")
    page.close()


def test_it_fits_a_telephone(browser: Browser, index: Path, root: Path) -> None:
    page = opened(browser, index, "light", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    kept(page, root, "gallery-narrow")
    page.close()


def test_the_keyboard_reaches_everything_in_order(browser: Browser, index: Path) -> None:
    page = opened(browser, index, "light")
    seen = []
    for _ in range(1 + 4 * len(pages())):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.tagName")
        )
    assert seen[0] == "#lines", "the first leads past the list"
    assert seen[1 : 1 + len(pages())] == [f"#{name}" for name in pages()]
    assert seen[1 + len(pages()) :] == [
        each for name in pages() for each in ("SUMMARY", "run/report.html", f"{name}.md")
    ]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator("article#spot details").get_attribute("open") is not None
    assert page.get_by_text("One. Two. Three. Four. Five.").last.is_visible()
    page.close()


def test_a_reader_of_screens_is_told_what_is_seen(browser: Browser, index: Path) -> None:
    page = opened(browser, index, "light")
    for name, about in pages().items():
        card = page.get_by_role("article", name=about.title, exact=True)
        assert card.get_by_role("img").get_attribute("alt") == about.alt
        assert card.get_by_text(f"Verdict of {name}.").is_visible()
    assert page.get_by_role("note").count() == 1
    names = page.get_by_role("link").evaluate_all(
        "all => all.map(each => each.ariaLabel ?? each.textContent)"
    )
    assert len(set(names)) == len(names), "no two links sound alike"
    page.close()


def test_links_lead_to_report_and_page(browser: Browser, index: Path) -> None:
    page = opened(browser, index, "light")
    page.get_by_role("link", name="Report of the run").first.click()
    assert page.title() == "The report"
    targets = {each.name for each in index.parent.glob("*.md")}
    assert {f"{name}.md" for name in pages()} < targets
    page.close()


def test_it_is_printed_on_few_pages(browser: Browser, index: Path) -> None:
    page = opened(browser, index, "light")
    printed = page.pdf(format="A4")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12
    page.close()
