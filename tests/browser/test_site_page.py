"""The site in a real browser: what a terminal prints fits, and pictures are those of the reader's theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.docs.pages import build_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


def open_page(browser: Browser, path: Path, width: int, scheme: Any) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(path.as_uri())
    return page


def test_the_table_of_a_run_is_whole_and_what_goes_on_beyond_an_edge_has_a_shadow_there(
    browser: Browser, site: Path
) -> None:
    page = open_page(browser, site / "start.html", 1280, "light")
    table = page.locator("pre", has_text="p50 against reference")
    assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
    drawn = "each => getComputedStyle(each).backgroundAttachment"
    assert set(page.locator("pre").first.evaluate(drawn).split(", ")) == {"local", "scroll"}
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_picture_of_the_gallery_is_that_of_the_theme_and_can_be_read(
    browser: Browser, site: Path, screenshots: Path, width: int, scheme: str
) -> None:
    page = open_page(browser, site / "gallery" / "burst.html", width, scheme)
    page.screenshot(path=screenshots / f"site-gallery-{scheme}-{width}.png")
    shown = page.locator("article img:visible")
    assert shown.count() == 1
    assert str(shown.get_attribute("src")).endswith("-dark.svg") == (scheme == "dark")
    assert shown.evaluate("each => each.width / each.naturalWidth") > 0.7, "letters of 13 px are 9 then"
    page.close()
