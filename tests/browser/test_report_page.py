"""The report as a reader meets it: opened from its file, in a real browser."""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.report.build import write_reports
from harness.report.contents import Contents
from harness.runs import Run
from tests.synthetic import make_run

# In print, beside one for each chart.
MOST_PAGES = 7


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run in which some items failed, so that every chart has something to show."""
    run = make_run(tmp_path_factory.mktemp("made") / "r", failed_share=0.02)
    write_reports(Contents(Run.load(run.folder)))
    return run.folder / "report.html"


@pytest.fixture(scope="module")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one block with four items a phase: too little for medians, intervals and claims."""
    run = make_run(tmp_path_factory.mktemp("made") / "small", blocks=1, items=4, aa=None)
    write_reports(Contents(Run.load(run.folder)))
    return run.folder / "report.html"


def colours(page: Any, selector: str, name: str) -> list[int]:
    text = page.eval_on_selector(selector, f"each => getComputedStyle(each).{name}")
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


def column(page: Any, table: str, index: int) -> list[str]:
    rows: list[str] = page.eval_on_selector_all(
        f"{table} tbody tr", f"rows => rows.map(row => row.cells[{index}].textContent)"
    )
    return rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_from_its_file_without_a_complaint_or_a_request(
    opened: Any, report: Path, screenshots: Path, width: int, scheme: str
) -> None:
    found = opened(report, width, scheme)
    found.page.screenshot(path=screenshots / f"report-{scheme}-{width}-first.png")
    found.page.screenshot(path=screenshots / f"report-{scheme}-{width}.png", full_page=True)
    found.assert_alone(report)
    assert found.requests == [report.as_uri()], "not even for data of its own"


def test_every_chart_is_drawn_and_says_what_it_shows(opened: Any, report: Path) -> None:
    page = opened(report).page
    charts = page.query_selector_all(".chart")
    assert len(charts) == 12
    for chart in charts:
        marks = chart.query_selector_all(
            "svg [aria-roledescription], svg .mark-group path, svg .mark-rect path"
        )
        drawn = [mark for mark in marks if (box := mark.bounding_box()) and box["width"] + box["height"] > 2]
        assert len(drawn) > 3, chart.get_attribute("id")
        told = chart.get_attribute("aria-label") or ""
        assert re.search(r"\d", told) and len(told) > 60, told


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_every_chart_is_whole_within_its_column_in_letters_of_full_size(
    opened: Any, report: Path, width: int
) -> None:
    found = opened(report, width).page.eval_on_selector_all(
        ".chart", """all => all.map(chart => { const svg = chart.querySelector("svg"); return {
            id: chart.id, beyond: chart.scrollWidth - chart.clientWidth,
            scale: svg.getBoundingClientRect().width / svg.width.baseVal.value }; })""",
    )  # fmt: skip
    assert found
    for chart in found:
        assert chart["beyond"] <= 0 and chart["scale"] == pytest.approx(1, abs=0.02), chart


def test_a_screen_that_is_turned_has_its_charts_drawn_anew_as_the_switches_stand(
    opened: Any, report: Path
) -> None:
    page = opened(report, 390).page
    page.check("input[name=speed][value='2']")
    width = page.evaluate("document.querySelector('#chart-load svg').width.baseVal.value")
    assert width <= 390
    page.set_viewport_size({"width": 844, "height": 390})
    page.wait_for_function("document.querySelector('#chart-cost svg').width.baseVal.value > 500")
    wide = page.inner_html("#chart-load svg")
    page.check("input[name=speed][value='1']")
    page.wait_for_function(
        "before => document.querySelector('#chart-load svg').innerHTML !== before", arg=wide
    )


def test_a_table_that_goes_on_beyond_its_column_says_so(opened: Any, report: Path) -> None:
    cue = """region => getComputedStyle(region.querySelector("caption"), "::after").content.includes("sideways")"""
    for width in (390, 1280):
        page = opened(report, width).page
        wide = [
            (region.evaluate("region => region.scrollWidth > region.clientWidth + 1"), region.evaluate(cue))
            for region in page.query_selector_all(".scroll")
            if region.is_visible()
        ]
        assert all(beyond == told for beyond, told in wide)
        assert any(beyond for beyond, _ in wide) or width == 1280


@pytest.mark.parametrize("width", [320, 390])
def test_switches_stay_within_their_column(opened: Any, report: Path, width: int) -> None:
    page = opened(report, width).page
    column = page.query_selector("main").bounding_box()
    for each in page.query_selector_all("fieldset, fieldset label"):
        box = each.bounding_box()
        assert box["x"] + box["width"] <= column["x"] + column["width"] - 19, "the padding of main"


def test_the_first_screen_has_the_answer(opened: Any, report: Path) -> None:
    page = opened(report).page
    box = page.query_selector(".answer").bounding_box()
    assert box["y"] + box["height"] <= 800
    text = page.inner_text(".answer")
    assert text.startswith("Use ")
    for question in ("How much better?", "How sure?", "Where does it flip?"):
        assert question in text
    for label in ("measured", "modelled", "priced"):
        assert page.query_selector(f".answer .tag.{label}")


def test_the_first_screen_of_few_items_says_what_is_lacking(opened: Any, small_report: Path) -> None:
    page = opened(small_report).page
    speed = page.locator(".facts > div", has_text="How fast?")
    assert speed.locator(".figure").inner_text() == "too few items for a median"
    assert "A median takes 6 items" in speed.inner_text()
    assert "too few items were done for a median" in page.inner_text("main")


@pytest.mark.parametrize("which", ["report", "small_report"])
def test_no_figure_that_is_not_there_shows(opened: Any, which: str, request: pytest.FixtureRequest) -> None:
    text = opened(request.getfixturevalue(which)).page.inner_text("body")
    assert re.findall(r"- to -|.*\bnan\b.*|NaN|\bNone\b|undefined|.*\b1 (?:valid )?blocks\b.*", text) == []


def test_headings_are_in_order_and_the_page_has_landmarks(opened: Any, report: Path) -> None:
    page = opened(report).page
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(each => Number(each.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.query_selector("html[lang=en]") and page.query_selector("main") and page.query_selector("nav")
    assert page.query_selector("table:not(:has(caption)), th:not([scope])") is None


def test_tables_sort_by_click_and_by_keyboard_on_their_figures(opened: Any, report: Path) -> None:
    page = opened(report).page
    table = "table:has(button:text-is('latency p50 (95 %)'))"
    heading = page.locator(table).first.locator("th", has_text="latency p50")
    figures = page.locator(table).first.locator("tbody tr td:nth-child(6)")

    def seconds() -> list[float]:
        keys = figures.evaluate_all("cells => cells.map(cell => cell.dataset.v)")
        return [float(key) for key in keys]

    before = seconds()
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert seconds() == sorted(before) != before
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert seconds() == sorted(before, reverse=True)


def test_the_first_key_press_offers_to_skip_to_the_figures(opened: Any, report: Path) -> None:
    page = opened(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.query_selector(".skip").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_dark_mode_turns_page_and_charts(opened: Any, report: Path) -> None:
    page = opened(report, scheme="dark").page
    assert max(colours(page, "body", "backgroundColor")) < 60
    assert min(colours(page, "#chart-latency text", "fill")) > 180
    page.emulate_media(color_scheme="light")
    assert min(colours(page, "body", "backgroundColor")) > 200
    assert max(colours(page, "#chart-latency text", "fill")) < 90, "without drawing anew"


def test_switches_change_the_figures_and_the_picture(opened: Any, report: Path) -> None:
    page = opened(report).page
    shown = ".cases > div:not([hidden])"
    before, drawn = page.inner_text(shown), page.inner_html("#chart-load svg")
    page.check("input[name=speed][value='2']")
    page.wait_for_function(
        "before => document.querySelector('#chart-load svg').innerHTML !== before", arg=drawn
    )
    slower = page.inner_text(shown)
    assert slower != before
    page.check("input[name=load][value='100000000']")
    assert page.inner_text(shown) not in {before, slower}
    page.check("input[name=free][value='1']")
    assert len(page.query_selector_all(shown)) == 1
    page.focus("input[name=load][value='100000000']")
    page.keyboard.press("ArrowLeft")
    assert page.query_selector("input[name=load]:checked").get_attribute("value") != "100000000"


def test_a_csv_link_gives_the_rows_of_its_chart(opened: Any, report: Path) -> None:
    page = opened(report).page
    assert len(page.query_selector_all("figcaption a.csv")) == len(page.query_selector_all(".chart"))
    with page.expect_download() as download:
        page.click("figure[aria-labelledby=latency] a.csv")
    rows = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert download.value.suggested_filename.endswith(".csv")
    assert list(rows.columns) == ["arm", "phase", "latency_s", "share"]
    specs = json.loads(page.inner_text("#specs"))
    assert len(rows) == len(next(iter(specs["latency"]["datasets"].values())))


def test_a_table_gives_its_rows_too(opened: Any, report: Path) -> None:
    page = opened(report).page
    with page.expect_download() as download:
        page.click("caption:has-text('Summary (measured)') a.csv")
    rows = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert set(rows["arm"]) == {"function", "batch", "service", "function-aa"}
    own = pd.read_csv(report.parent / "summary.csv")
    pd.testing.assert_frame_equal(rows, own, rtol=1e-5, check_dtype=False)


def test_it_prints_on_some_pages_in_light_with_everything_unfolded(
    opened: Any, report: Path, screenshots: Path
) -> None:
    page = opened(report, scheme="dark").page
    printed = page.pdf(path=screenshots / "report.pdf", format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 5 <= pages <= MOST_PAGES + page.locator(".chart").count()
    page.emulate_media(media="print", color_scheme="dark")
    assert min(colours(page, "body", "color")) < 90, "ink is dark on paper"
    assert not page.locator("input[type=radio]").first.is_visible()
    shown = [label.inner_text() for label in page.locator("fieldset label").all() if label.is_visible()]
    assert len(shown) == page.locator("fieldset").count(), "of a switch only how it stands"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.query_selector("details:not([open])") is None
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.query_selector("details[open]") is None
