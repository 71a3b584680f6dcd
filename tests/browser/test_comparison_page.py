"""The comparison of two runs in a real browser: drawn, sortable, in both themes, and nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.comparing import compare_runs
from harness.comparing.html import html
from tests.synthetic import make_run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    runs = [make_run(folder / name, seed=seed) for name, seed in (("base", 1), ("other", 2))]
    path = folder / "comparison.html"
    path.write_text(html(compare_runs(runs)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_without_a_complaint_or_a_request(
    opened: Any, comparison: Path, screenshots: Path, width: int, scheme: str
) -> None:
    found = opened(comparison, width, scheme)
    found.page.screenshot(path=screenshots / f"comparison-{scheme}-{width}.png", full_page=True)
    found.assert_alone(comparison)
    light = found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_every_ratio_is_drawn_and_the_tables_sort(opened: Any, comparison: Path) -> None:
    page = opened(comparison).page
    assert page.locator(".chart svg path").count() > 10
    heading = page.locator("table.sortable").last.locator("thead th").first
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_plot_can_be_read_on_both_sides_of_1_from_either_end(
    opened: Any, comparison: Path, width: int
) -> None:
    """An axis above and one below, each with as many labels right of 1 as left of it, and lines down to the marks."""
    page = opened(comparison, width).page
    axes = page.eval_on_selector_all(
        ".chart [aria-label^='X-axis'] .role-axis-label",
        "all => all.map(axis => [...axis.querySelectorAll('text')]"
        ".filter(each => Number(getComputedStyle(each).opacity)).map(each => Number(each.textContent)))",
    )
    assert len(axes) == 2
    for labels in axes:
        assert len(labels) >= 3
        assert 1 in labels
        assert sum(label < 1 for label in labels) == sum(label > 1 for label in labels) == len(labels) // 2
    assert page.locator(".chart .role-axis-grid line").count() >= len(axes[0])


def test_no_mark_lies_outside_the_plot(opened: Any, comparison: Path) -> None:
    """The last row's was cut in half."""
    page = opened(comparison).page
    box = "each => {const {top, bottom} = each.getBoundingClientRect(); return [top, bottom]}"
    plot = page.eval_on_selector(".chart svg .background", box)
    marks = page.eval_on_selector_all(".chart .mark-symbol.role-mark path", f"all => all.map({box})")
    assert len(marks) > 10
    assert all(plot[0] <= top and bottom <= plot[1] for top, bottom in marks)


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_the_forest_has_both_sides_of_one_in_its_column(opened: Any, comparison: Path, width: int) -> None:
    page = opened(comparison, width).page
    chart, svg = page.query_selector(".chart"), page.query_selector(".chart svg").bounding_box()
    assert chart.evaluate("each => each.scrollWidth <= each.clientWidth")
    assert svg["width"] == pytest.approx(
        page.evaluate("document.querySelector('.chart svg').width.baseVal.value")
    )
    one = page.query_selector(".chart .mark-rule path, .chart .mark-rule line").bounding_box()["x"]
    assert svg["x"] + svg["width"] - one > 40, "room right of 1"


def test_the_foot_stands_below_what_is_above_it(opened: Any, comparison: Path) -> None:
    page = opened(comparison, 1600).page
    left = "each => each.getBoundingClientRect().left"
    assert page.eval_on_selector("footer", left) == page.eval_on_selector("main", left)


def test_it_prints_on_a_few_pages(opened: Any, comparison: Path) -> None:
    printed = opened(comparison).page.pdf(format="A4")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
