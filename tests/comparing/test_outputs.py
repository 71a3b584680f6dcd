"""What is shown of a comparison, and the command that shows it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from harness.cli import main
from harness.comparing import Comparison, ComparisonError, compare_runs, parse
from harness.comparing.as_json import as_json
from harness.comparing.conditions import Condition
from harness.comparing.figures import BY_NAME
from harness.comparing.forest import ticks
from harness.comparing.html import html
from harness.comparing.markdown import markdown
from harness.comparing.sentences import sentences
from harness.comparing.tables import conditions_table
from harness.comparing.terminal import render
from harness.runs import Run
from tests import synthetic
from tests.report.test_report import Page
from tests.synthetic import Recipe, make_run


def run_with(folder: Path, recipe: Recipe, medians_s: dict[str, float]) -> Run:
    """A made-up run whose warm items take these median times."""
    usual = dict(synthetic.MEDIAN_S)
    synthetic.MEDIAN_S.update(medians_s)
    try:
        return make_run(folder, recipe)
    finally:
        synthetic.MEDIAN_S.update(usual)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base run, one whose service is twice as slow and function half, and one without batch that was interrupted."""
    made = tmp_path_factory.mktemp("runs")
    make_run(made / "before", Recipe(seed=1))
    run_with(made / "after", Recipe(seed=2), {"service": 0.12, "function": 0.04})
    make_run(
        made / "short",
        Recipe(seed=3, blocks=4, engine="process", state="interrupted", placements=("function", "service")),
    )
    return made


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    runs = [Run.load(folder / name) for name in ("before", "after")]
    return compare_runs(runs, [parse("latency_p50_s > 5%")])


def verdicts(comparison: Comparison) -> dict[tuple[str, str, str], str]:
    columns = ["arm", "phase", "metric", "verdict"]
    return {
        (arm, phase, metric): said
        for arm, phase, metric, said in comparison.table[columns].itertuples(index=False)
    }


def printed(comparison: Comparison, width: int = 120) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width).print(render(comparison))
    return screen.getvalue()


def test_true_differences_are_named_with_their_direction(comparison: Comparison) -> None:
    said = verdicts(comparison)
    for phase in ("steady", "drop"):
        assert said["service", phase, "latency_p50_s"] == "regression"
        assert said["function", phase, "latency_p50_s"] == "improvement"
        assert said["batch", phase, "latency_p50_s"] == "no difference shown"
    assert said["service", "drop", "throughput_items_per_s"] == "regression"
    assert said["function", "steady", "cost_usd_per_million"] == "improvement"
    assert said["function", "steady", "error_rate"] == "no difference shown"
    ratio = comparison.table.set_index(["arm", "phase", "metric"])["ratio"][
        "service", "steady", "latency_p50_s"
    ]
    assert ratio == pytest.approx(2.0, rel=0.15)


def test_the_headline_names_the_largest_differences_and_what_the_thresholds_say(
    comparison: Comparison,
) -> None:
    counts, worst, best, thresholds = sentences(comparison)
    assert counts.startswith("after against before: 7 regressions, 8 improvements, and")
    assert re.fullmatch(r"Worst: (service, \w+: .+ \d\.\d+ x \(\S+ to \S+\); ){2}service, \w+: .+\.", worst)
    assert "service, drop: throughput 0.4" in worst, "less than half as much is as bad as twice as long"
    assert re.match(r"Best: function, drop: \w+", best)
    assert thresholds == "--fail-on failed; of 6 checks: 2 failed, 2 undecided, 2 passed."
    box = re.search(r'<section class="answer".*?</section>', html(comparison), re.DOTALL)
    assert box is not None
    texts = (
        box[0].replace("&#34;", '"').replace("\u00a0", " "),
        printed(comparison, 400),
        markdown(comparison),
    )
    for text in texts:
        assert [told for told in sentences(comparison) if told not in text] == []


def test_every_output_says_why_a_report_of_the_same_run_has_other_figures(comparison: Comparison) -> None:
    for text in (printed(comparison, 400), markdown(comparison), html(comparison)):
        assert text.count("A report pools the items of all blocks") == 1


def test_the_headline_of_equal_runs_names_nothing(folder: Path) -> None:
    run = Run.load(folder / "before")
    (told,) = sentences(compare_runs([run, run]))
    assert "no regressions, no improvements" in told


def test_a_run_against_itself_is_equal_to_the_last_digit(folder: Path) -> None:
    run = Run.load(folder / "before")
    found = compare_runs([run, Run.load(folder / "before")], [parse("any")])
    assert not found.failed
    assert found.conditions == []
    assert set(found.table["verdict"]) == {"no difference shown"}
    assert set(found.table["ratio"].dropna()) == {1.0}
    assert any("the same run" in note for note in found.notes)
    assert found.labels == ("before", "before (2)")


def test_blocks_of_another_corpus_are_not_paired(folder: Path) -> None:
    base, other = Run.load(folder / "before"), Run.load(folder / "after")
    assert compare_runs([base, other]).table.query("metric != 'error_rate'")["paired"].all()
    elsewhere = replace(other, manifest=other.manifest | {"corpus": {"digest": "another"}})
    found = compare_runs([base, elsewhere])
    assert not found.table["paired"].any()
    assert verdicts(found)["service", "steady", "latency_p50_s"] == "regression"


def test_blocks_with_other_items_are_not_paired(folder: Path) -> None:
    base, other = Run.load(folder / "before"), Run.load(folder / "after")
    items = other.attempts["item"].astype(str)
    swapped = items.where(other.attempts["phase"] != "drop", items + "x").astype("category")
    found = compare_runs([base, replace(other, attempts=other.attempts.assign(item=swapped))])
    paired = found.table[found.table["metric"] == "latency_p50_s"].groupby("phase")["paired"].all()
    assert paired.to_dict() == {"drop": False, "steady": True}
    assert not found.table.loc[found.table["metric"] == "cpu_s_per_item", "paired"].any()


def test_cells_that_are_invalid_count_in_no_figure(tmp_path: Path) -> None:
    """CPU is of whole arms, and of blocks in which nothing of the arm is invalid."""
    late = make_run(tmp_path / "late", Recipe(blocks=11, late_blocks=(3, 4)))
    table = compare_runs([late, late]).table
    assert set(table["blocks"]) == {9}
    assert set(table["verdict"]) <= {"too few blocks", "no difference shown"}


def test_banners_absent_arms_and_drift_are_said(folder: Path) -> None:
    found = compare_runs([Run.load(folder / name) for name in ("before", "short")])
    assert [banner.split(":")[0] for banner in found.banners] == [
        "short is interrupted",
        "short used no containers",
    ]
    assert "arm batch of before" in found.notes[0]
    assert "share no blocks" in found.notes[1]
    assert set(found.table["arm"]) == {"function", "service"}
    assert set(found.table["verdict"]) == {"too few blocks", "no difference shown"}
    for text in (printed(found), markdown(found), html(found)):
        assert "short is interrupted" in text
        assert "too few blocks" in text


def test_runs_without_an_arm_in_common_cannot_be_compared(folder: Path, tmp_path: Path) -> None:
    only = make_run(tmp_path / "batch", placements=("batch",), aa=None, blocks=2)
    with pytest.raises(ComparisonError, match="no arm that all of them have"):
        compare_runs([Run.load(folder / "short"), only])
    with pytest.raises(ComparisonError, match="two or more"):
        compare_runs([only])


def test_conditions_come_before_ratios(folder: Path) -> None:
    found = compare_runs([Run.load(folder / name) for name in ("before", "short")])
    for text in (printed(found), markdown(found), html(found), json.dumps(as_json(found))):
        assert (
            0
            < text.index("enforced.cpu")
            < text.index("median latency" if "median latency" in text else '"ratios"')
        )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("927989760", "1855979520"), ["885 MiB", "1.73 GiB"]),
        (("927989760", "927989761"), ["927,989,760 B", "927,989,761 B"]),
        (("-", "927989760"), ["-", "885 MiB"]),
    ],
)
def test_sizes_among_the_conditions_have_their_unit(
    comparison: Comparison, values: tuple[str, ...], told: list[str]
) -> None:
    condition = Condition("limits in force: function", "memory_bytes", values)
    (row,) = conditions_table(replace(comparison, conditions=[condition])).rows
    assert row[2:] == told
    assert as_json(replace(comparison, conditions=[condition]))["differing_conditions"][0]["values"] == dict(
        zip(("before", "after"), values, strict=True)
    ), "a program gets what was recorded"


def test_the_terminal_output_fits_a_hundred_columns(comparison: Comparison) -> None:
    text = printed(comparison, 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "regression" in text
    assert "failed" in text


def test_markdown_is_short_with_the_rest_folded(comparison: Comparison) -> None:
    text = markdown(comparison)
    open_part = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    assert len(open_part.splitlines()) < 45
    assert text.count("<details>") == text.count("</details>") == 2, (
        "conditions, since seeds differ, and all figures"
    )
    assert "| steady | service | median latency |" in open_part
    named = comparison.table["verdict"].isin(["regression", "improvement"]).sum()
    assert open_part.count("regression (") + open_part.count("improvement (") == named


@pytest.mark.parametrize("reach", [1.31, 1.6, 3.3, 11.0, 105.0])
def test_an_axis_of_ratios_has_the_same_steps_up_and_down(reach: float) -> None:
    values = ticks(reach)
    assert 5 <= len(values) <= 13
    assert values == sorted(values)
    assert 1 in values[::2]
    assert 1 / reach <= values[0] < 1 < values[-1] <= reach
    assert [1 / each for each in reversed(values)] == pytest.approx(values)


def test_the_page_is_whole_and_loads_nothing(comparison: Comparison) -> None:
    text = html(comparison)
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.loads == ["data:,"]
    assert "chart-forest-0" in page.ids
    assert len(text) < 3_000_000
    found = re.search(r'<script type="application/json" id="specs">(.*?)</script>', text, re.S)
    assert found
    (spec,) = json.loads(found[1]).values()
    (rows,) = spec["datasets"].values()
    assert len(rows) == comparison.table["ratio_low"].notna().sum()


def test_text_from_a_run_cannot_become_markup(folder: Path) -> None:
    run = Run.load(folder / "after")
    hostile = replace(run, manifest=run.manifest | {"git_commit": "<script>alert(1)</script> [red]|"})
    found = compare_runs([Run.load(folder / "before"), hostile])
    assert "<script>alert" not in html(found)
    assert "[red]" in printed(found)
    assert "\\|" in markdown(found)


def test_json_has_all_of_it_and_no_value_that_json_lacks(folder: Path) -> None:
    runs = [Run.load(folder / name) for name in ("before", "after", "short")]
    told = json.loads(json.dumps(as_json(compare_runs(runs, [parse("any")])), allow_nan=False))
    assert told["base"] == "before"
    assert {row["run"] for row in told["ratios"]} == {"after", "short"}
    assert {row["arm"] for row in told["ratios"]} == {"function", "service"}, "batch is not in all of them"
    assert told["failed"] is True
    assert told["differing_conditions"][0]["values"].keys() == {"before", "after", "short"}


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_help_names_every_metric() -> None:
    text = invoke("--help").output
    assert [name for name in BY_NAME if name not in text] == []


def test_exit_codes(folder: Path) -> None:
    before, after = folder / "before", folder / "after"
    assert invoke(before, after, "--fail-on", "any:function").exit_code == 0
    both = ["--fail-on", "latency_p50_s:function > 5%", "--fail-on", "latency_p50_s:service > 20%"]
    assert invoke(before, after, *both).exit_code == 1
    assert invoke(before, folder / "short", "--fail-on", "any").exit_code == 0, "undecided is no failure"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["before"], "two or more"),
        (["before", "nothing"], "does not exist"),
        (["before", "."], "not a run folder"),
        (["before", "after", "--fail-on", "foo > 5%"], "allowed are any, latency_p50_s"),
        (["before", "after", "--fail-on", "any:foo"], "arms are function, batch, service"),
        (["before", "after", "--json", "--markdown"], "one of them"),
        (["before", "after", "--html", "nowhere/page.html"], "cannot be written"),
    ],
)
def test_bad_usage_exits_with_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(folder)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_the_command_writes_page_json_and_markdown(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = invoke(folder / "before", folder / "after", "--json", "--html", page)
    assert json.loads(result.output)["base"] == "before"
    assert "Runs compared" in page.read_text()
    assert invoke(folder / "before", folder / "after", "--markdown").output.startswith(
        "### Placements compared"
    )


def test_every_metric_of_a_real_run_is_compared(root: Path) -> None:
    run = Run.load(root / "results/example")
    table = compare_runs([run, run]).table
    assert isinstance(table, pd.DataFrame)
    assert set(table["metric"]) == {
        "latency_p50_s", "latency_p95_s", "throughput_items_per_s", "cpu_s_per_item", "memory_peak_bytes",
        "cold_create_mean_s", "cold_start_mean_s", "cold_init_mean_s", "error_rate", "cost_usd_per_million",
    }  # fmt: skip
