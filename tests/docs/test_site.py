"""The site: built without a warning (a broken link is one), and nothing of it comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, build_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


def test_the_site_is_built_without_a_warning(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file()


def test_a_picture_of_the_gallery_is_there_for_light_and_dark_and_one_is_shown(site: Path) -> None:
    text = (site / "gallery/burst.html").read_text()
    found = {
        re.search(r'src="[^"]*?([\w-]+\.svg)"', each)[1]: re.search(r'class="([^"]*)"', each)[1]  # type: ignore[index]
        for each in re.findall(r"<img\b[^>]*svg[^>]*>", text)
    }
    assert found == {"burst.svg": "only-light", "burst-dark.svg": "only-dark"}


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"([^\"]+)", page.read_text())
        assert loaded
        assert not [each for each in loaded if re.match(r"(https?:)?//", each)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet
