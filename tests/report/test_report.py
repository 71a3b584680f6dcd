from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from harness import analysis
from harness.cost.book import load_book
from harness.report.answer import answer
from harness.report.as_json import as_json
from harness.report.build import write_reports
from harness.report.charts import charts
from harness.report.contents import Contents
from harness.report.html import html
from harness.report.markdown import markdown
from harness.report.results import first_tables, result_tables
from harness.report.table import Tables
from harness.report.terminal import render
from harness.runs import Run
from tests.synthetic import empty_run, make_run

CHARTS = {
    "load", "duration", "memory-cost", "latency", "percentiles", "parts", "throughput", "timeline", "cpu", "memory",
    "failures", "cost",
}  # fmt: skip
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """Checks nesting, and collects what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "img", "iframe"} and known.get("src"):
            self.loads.append(str(known["src"]))
        if tag == "link":
            self.loads.append(str(known["href"]))
        if known.get("id"):
            self.ids.append(str(known["id"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = make_run(tmp_path_factory.mktemp("made") / "r", failed_share=0.02)
    write_reports(Contents(made))
    return made


def test_the_page_is_whole_self_contained_and_small(run: Run) -> None:
    text = (run.folder / "report.html").read_text()
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.loads == ["data:,"], "nothing is loaded from anywhere"
    assert len(page.ids) == len(set(page.ids))
    assert len(text) < 3_000_000
    for chart in CHARTS:
        assert f"chart-{chart}" in page.ids
    for arm in ("function", "batch", "service", "function-aa"):
        assert arm in text


def test_chart_specifications_are_json_with_data(run: Run) -> None:
    text = (run.folder / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="specs">(.*?)</script>', text, re.S)
    assert found
    specs = json.loads(found[1])
    assert set(specs) == CHARTS
    assert all(spec["datasets"] for spec in specs.values())


def test_markdown_and_csv_have_the_figures_of_the_summary(run: Run) -> None:
    summary = analysis.summarise(run)
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / "summary.csv"), summary, check_dtype=False)
    text = (run.folder / "report.md").read_text()
    for row in analysis.sentences(run):
        assert row in text
    assert f"{summary['ok'].iloc[0]} of {summary['planned'].iloc[0]}" in text


def test_the_terminal_report_fits_a_hundred_columns_and_ends_with_where_the_page_is(run: Run) -> None:
    screen = io.StringIO()
    Console(file=screen, width=100).print(render(Contents(run)))
    lines = screen.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 100
    assert "service" in screen.getvalue()
    assert "report.html" in screen.getvalue().replace("\n", "")
    assert "Speed factor 1, which was not calibrated" in screen.getvalue()
    advised = Contents(run).advice.best
    assert advised is not None
    assert f"Use {advised.arm}: {advised.told}." in screen.getvalue()
    for question in ("How much better?", "How sure?", "Where does it flip?", "How fast?"):
        assert question in screen.getvalue()


def test_every_change_of_the_cheaper_placement_is_in_table_json_and_picture(run: Run) -> None:
    table = Contents(run).break_even
    text = (run.folder / "report.md").read_text()
    own = text.split("### Where the cheaper placement changes")[1].split("###")[0]
    assert own.count(" of ") >= len(table)
    assert len([line for line in own.splitlines() if line.startswith("| ")]) == len(table) + 2
    assert len(as_json(Contents(run))["break_even"]) == len(table)
    drawn = {chart.key: chart for chart in charts(Contents(run))}
    for key, axis, column in (
        ("load", "items a month", "items"), ("duration", "duration", "at"), ("memory-cost", "memory_mb", "at"),
    ):  # fmt: skip
        pairs = table.loc[table["axis"] == axis, ["first", "second"]].drop_duplicates()
        assert drawn[key].shows.count("the cheaper of") + drawn[key].shows.count("The cheaper of") == len(
            pairs
        )
        assert {"arm", column, "usd", "low", "high"} <= set(drawn[key].rows)


def test_json_has_no_value_that_json_lacks(run: Run) -> None:
    text = json.dumps(as_json(Contents(run)), allow_nan=False)
    assert json.loads(text)["state"] == "complete"
    assert {"summary", "comparison", "cost", "sentences"} <= json.loads(text).keys()


def test_banners_tell_of_an_unfinished_run_and_of_missing_containers(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", engine="process", state="interrupted")
    write_reports(Contents(run))
    for name in ("report.html", "report.md"):
        text = (run.folder / name).read_text()
        assert "This run is interrupted" in text
        assert "Containers were not used" in text
        assert "scripts/docker.sh" in text


@pytest.mark.parametrize(("age_days", "told"), [(180, False), (181, True)])
def test_the_reports_say_that_their_prices_are_old(tmp_path: Path, age_days: int, told: bool) -> None:
    run = make_run(tmp_path / "r")
    contents = Contents(run, today=date.fromisoformat(load_book().date) + timedelta(days=age_days))
    tables = Tables(first_tables(contents), result_tables(contents), [])
    for text in (markdown(contents, answer(contents), tables), html(contents, answer(contents), tables)):
        assert (f"{age_days} days ago: older than 180 days" in text) == told


def test_a_run_without_rows_still_has_a_report(tmp_path: Path) -> None:
    run = empty_run(tmp_path / "r")
    for path in write_reports(Contents(run)):
        assert path.exists()
    assert "nothing to compare" in (run.folder / "report.html").read_text()
    Console(file=io.StringIO(), width=100).print(render(Contents(run)))


def test_text_from_a_run_cannot_become_markup(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    run.manifest["warnings"] = ["<script>alert(1)</script>"]
    run.manifest["scenario"]["title"] = "</title><b>"
    write_reports(Contents(run))
    text = (run.folder / "report.html").read_text()
    assert "<script>alert(1)" not in text
    assert "</title><b>" not in text
