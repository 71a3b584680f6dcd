"""The gallery of made-up runs: figures that are filled in, pictures, pages and the index."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from harness.analysis.cells import validity
from harness.cli import main
from harness.gallery import Page
from harness.gallery.build import ENDINGS, make_card, newest_run, write_index, write_pages
from harness.gallery.figures import Figures, GalleryError, as_it_came, disturbed, steps
from harness.gallery.pictures import OUTCOMES, PICTURES, STAGES, THEMES, draw
from harness.report.chart_parts import BY_KIND
from harness.runs import Run
from tests.report.test_colours import LEAST_CONTRAST, PAPERS, contrast
from tests.report.test_report import Page as Html
from tests.synthetic import make_run


class Parser(Html):
    """As that of reports, which have no sources."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "source":
            super().handle_starttag(tag, attrs)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("runs"), "quick")


def made(folder: Path, scenario: str, **changes: Any) -> Run:
    """A made-up run under the name of a scenario that ships, disturbed in every cell where it is said to be."""
    run = make_run(
        folder / f"20261124T120000.000000Z-{scenario}", blocks=2, warmup_blocks=0, aa=None, **changes
    )
    manifest = json.loads((run.folder / "manifest.json").read_text())
    manifest["scenario"]["name"] = scenario
    (run.folder / "manifest.json").write_text(json.dumps(manifest))
    return Run.load(run.folder)


def a_page(**changes: Any) -> Page:
    about: dict[str, Any] = {
        "name": "line", "title": "A <line>", "scenario": "quick", "picture": "outcomes", "alt": "bars",
        "shown": "ok('function') == planned('function')", "verdict": "{{ ok('function') }} were done.",
        "sentences": ("One.", "Two.", "Three.", "Four.", "It took {{ p50('batch') | duration }}."),
        "aws": "Nothing, `says <aws>`.", "items_per_month": 1000,
    }  # fmt: skip
    return Page(**(about | changes))


def disturb(run: Run) -> Run:
    """The same run, with another program that took all of both cores in each phase."""
    load = {
        "window_s": 1.0,
        "steal_s": 0.0,
        "harness_cpu_s": 0.1,
        "foreign_cpu_s": 2.0,
        "foreign_most": "python",
    }
    events = run.events.copy()
    ended = (events["kind"] == "phase_ended").to_numpy()
    events["detail"] = events["detail"].astype(str).mask(ended, json.dumps(load))
    return Run(run.folder, run.manifest, run.attempts, run.samples, events)


def test_figures_are_those_of_the_rows(run: Run) -> None:
    figures, rows = Figures(run), run.attempts
    own = rows[rows["arm"] == "batch"]
    assert figures.planned("batch") == figures.ok("batch") == figures.tries("batch") == len(own) == 96
    assert figures.p50("batch") == pytest.approx(own["latency_s"].median())
    assert figures.tries("batch", "timeout") == 0
    assert figures.cold("batch") == 96
    assert figures.cold_start("batch") == pytest.approx(0.5, abs=1e-6)
    assert figures.longest("batch") == pytest.approx(own["handler_s"].max())
    assert figures.peak("batch") == own["memory_peak_bytes"].max()
    assert figures.containers("batch") == 8, "two a phase of a block"
    spans = (own.groupby("block")["done_ns"].max() - own.groupby("block")["due_ns"].min()) / 1e9
    assert figures.last("batch") == pytest.approx(spans.median())
    assert figures.month("function", 1000) < figures.month("service", 1000)


def test_failed_items_are_counted_as_attempts_and_not_as_done(tmp_path: Path) -> None:
    figures = Figures(made(tmp_path, "quick", failed_share=0.3))
    failed = figures.tries("service", "error")
    assert 0 < failed < 96
    assert figures.ok("service") == 96 - failed
    assert not figures.holds("ok('service') == planned('service')")


def test_what_advice_rules_out_can_be_asked_for(run: Run) -> None:
    objective = {"expect": "latency_p95_s < 0.001", "placement": "service", "phase": "steady"}
    strict = replace(
        run, manifest=run.manifest | {"scenario": run.manifest["scenario"] | {"objectives": [objective]}}
    )
    assert not Figures(run).ruled_out("service")
    assert Figures(strict).ruled_out("service")
    assert not Figures(strict).ruled_out("function")
    assert not make_card(a_page(shown="not ruled_out('service')"), strict).shown


def test_a_disturbed_run_is_shown_and_says_so(run: Run) -> None:
    spoilt = disturb(run)
    assert not validity(spoilt)["valid"].any()
    assert disturbed(spoilt) == (12, 12)
    assert validity(as_it_came(spoilt))["valid"].all()
    card = make_card(a_page(), spoilt)
    assert card.sentences == make_card(a_page(), run).sentences
    assert "12 of 12 cells were disturbed by other programs" in card.caption
    assert "disturbed" not in make_card(a_page(), run).caption


def test_a_late_harness_leaves_a_cell_out_here_too(tmp_path: Path) -> None:
    late = as_it_came(made(tmp_path, "quick", late_blocks=(0, 1)))
    assert Figures(late).text("{{ p50('function') | duration }}") == "-"


@pytest.mark.parametrize("picture", sorted(set(PICTURES) - {"chain"}))
def test_pictures_are_drawn_for_light_and_dark(run: Run, picture: str) -> None:
    drawn = draw(run, picture, 43_800)
    assert drawn is not None
    assert drawn.keys() == THEMES.keys()
    assert drawn["light"].startswith("<svg")
    assert "#0d1117" in drawn["dark"]
    assert len(drawn["light"].encode()) < 60_000
    if picture != "stages":
        assert "function" in drawn["light"]


def test_a_kind_of_placement_has_the_colour_that_it_has_in_reports_wherever_it_comes(tmp_path: Path) -> None:
    """Whatever the order in which a scenario names its placements."""
    for number, placements in enumerate((("function", "service", "batch"), ("function", "batch", "service"))):
        made_up = make_run(tmp_path / str(number), blocks=1, warmup_blocks=0, aa=None, placements=placements)
        chart = PICTURES["progress"](made_up, None).to_dict()
        for panel in chart["vconcat"]:
            scale = panel["encoding"]["color"]["scale"]
            assert dict(zip(scale["domain"], scale["range"], strict=True)) == BY_KIND


def test_every_colour_that_is_no_arms_is_seen_on_both_papers() -> None:
    for own in [*OUTCOMES.values(), *(own for _, own in STAGES.values())]:
        assert min(contrast(own, paper) for paper in PAPERS) >= LEAST_CONTRAST, own


def test_a_chain_takes_the_names_of_its_jobs(run: Run) -> None:
    placed = run.events[run.events["kind"] == "container_started"].head(2).astype(str)
    names = ["thumbnail", "index_page"]
    more = placed.assign(kind="job_placed", detail=[json.dumps({"name": name}) for name in names])
    events = pd.concat([run.events.astype({"kind": str, "detail": str}), more], ignore_index=True)
    chained = Run(run.folder, run.manifest, run.attempts, run.samples, events.astype({"block": int}))
    assert list(steps(chained)["step"]) == names
    drawn = draw(chained, "chain", None)
    assert drawn is not None
    assert all(name in drawn["light"] for name in names)


def test_a_picture_without_rows_is_named(run: Run) -> None:
    assert draw(run, "chain", None) is None, "no job was placed in this run"
    with pytest.raises(GalleryError, match="no rows for its picture"):
        make_card(a_page(picture="chain"), run)


@pytest.mark.parametrize(
    "text", ["{{ ok('nobody', 1, 2) }}", "{{ nothing }}", "{{ ok( }}", "{{ tries('batch', 'sunk') }}"]
)
def test_a_text_that_asks_for_what_is_not_there_is_named(run: Run, text: str) -> None:
    with pytest.raises(GalleryError, match=r"page line, run 20261124T.*"):
        make_card(a_page(verdict=text), run)


def test_a_page_that_was_not_shown_is_marked(run: Run, tmp_path: Path) -> None:
    cards = [make_card(a_page(name=f"n{shown}", shown=shown), run) for shown in ("1 == 1", "1 == 2")]
    assert [card.shown for card in cards] == [True, False]
    text = write_index(cards, tmp_path).read_text()
    assert text.count("has not shown what the line says") == 1


def test_pages_and_index_are_written_whole(run: Run, tmp_path: Path) -> None:
    card = make_card(a_page(), run)
    written = write_pages([card], tmp_path)
    assert [path.name for path in written] == ["line.md", "line.svg", "line-dark.svg", "README.md"]
    assert all(
        (tmp_path / f"line{ending}").read_text() == f"{card.pictures[theme]}\n"
        for theme, ending in ENDINGS.items()
    )
    assert "48 were done." not in written[0].read_text()
    assert "One.\nTwo.\nThree.\nFour.\nIt took" in written[0].read_text()
    assert f"| [A <line>](line.md) | {card.verdict} |" in written[3].read_text()
    parser = Parser()
    text = write_index([card], tmp_path).read_text()
    parser.feed(text)
    assert parser.open == []
    assert all(address.startswith("data:") for address in parser.loads), "it needs no other file"
    assert "A &lt;line&gt;" in text
    assert f'href="{run.folder.name}/report.html"' in text
    assert text.count("data:image/svg+xml;base64,") == 2
    assert '.md"' not in text, "a browser shows a page in Markdown as it is typed"
    assert "It took" in text
    assert "Nothing, <code>says &lt;aws&gt;</code>." in text


def test_the_newest_whole_run_is_taken(tmp_path: Path) -> None:
    first = made(tmp_path, "quick")
    second = tmp_path / "20261125T120000.000000Z-quick"
    first.folder.rename(second)
    made(tmp_path, "quick")
    third = make_run(tmp_path / "20261126T120000.000000Z-quick", blocks=1, state="interrupted")
    assert third.manifest["state"] == "interrupted"
    (tmp_path / "20261127T120000.000000Z-quick").mkdir()
    found = newest_run(tmp_path, "quick")
    assert found is not None
    assert found.folder == second
    assert newest_run(tmp_path, "nothing") is None


def test_the_command_builds_from_runs_and_tells_what_is_missing(tmp_path: Path) -> None:
    made(tmp_path, "burst")
    done = CliRunner().invoke(main, ["gallery", "burst", "--build", "--out", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert f"Index: {tmp_path}/index.html" in done.stdout
    assert re.search("Two hundred items at once were done after", (tmp_path / "README.md").read_text())
    every = CliRunner().invoke(
        main, ["gallery", "--build", "--out", str(tmp_path), "--docs", str(tmp_path / "docs")]
    )
    assert every.exit_code == 1
    assert "not shown: time-limit, memory-ceiling" in every.stderr
    assert (tmp_path / "docs" / "burst.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["brust"], 2, "no page 'brust': allowed are time-limit, memory-ceiling"),
        (["--build"], 1, "no complete run of any page"),
    ],
)
def test_bad_usage_is_told(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    done = CliRunner().invoke(main, ["gallery", *arguments, "--out", str(tmp_path)])
    assert done.exit_code == code
    assert told in done.stderr
