"""Advice claims no more than was shown: objectives, failures, speeds, and what a run cannot tell."""

from __future__ import annotations

import datetime
import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import load
from harness.advice import Advice, Question, advise, as_json
from harness.advice.standing import passes, verdicts
from harness.advice.words import paragraphs
from harness.cli import main
from harness.cost.model import cost_model
from harness.cost.terms import Shape
from harness.judgement import judge
from harness.runs import Run
from tests.advice.changes import best, changed, failing, having, kinds
from tests.recorded import RECORDED
from tests.synthetic import make_run

P95 = {"expect": "latency_p95_s < 0.2", "phase": "steady"}


@cache
def example() -> Run:
    return load(RECORDED)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r")


def first(found: Advice) -> str:
    """The first sentence, which a reader may take for all of it."""
    return dict(paragraphs(found))["Advice"][0].split(". ")[0]


def text(found: Advice) -> str:
    return "\n".join(line for _, lines in paragraphs(found) for line in lines)


def test_what_is_shown_to_meet_an_objective_stands_before_what_may() -> None:
    """The service met p95 < 0.2 s; the function's interval reaches beyond, though it is far cheaper."""
    found = advise(having(example(), objectives=[P95]), Question(1e6))
    assert (best(found), found.standing) == ("service", "met")
    assert "is shown to meet latency_p95_s < 0.2" in first(found)
    (other,) = found.undecided
    assert (other.arm, other.usd < found.ranked[0].usd) == ("function", True)
    assert "function" in text(found)
    assert "not shown to meet latency_p95_s < 0.2, though it did in 200 of 200 trials" in text(found)


def test_nothing_is_said_to_meet_what_nothing_is_shown_to_meet(tmp_path: Path) -> None:
    one = make_run(tmp_path / "r", blocks=1, warmup_blocks=0)
    found = advise(having(one, objectives=[{"expect": "latency_mean_s < 3"}]), Question(1e4))
    assert (found.standing, found.undecided) == ("undecided", ())
    assert "nothing is shown to meet latency_mean_s < 3" in first(found)


def test_the_trials_count_those_in_which_the_objective_is_met() -> None:
    """At the service's own p95 about half of the draws meet it."""
    model = cost_model(having(example(), objectives=[P95 | {"expect": "latency_p95_s < 0.1395"}]))
    table = verdicts(model)
    assert 0.2 < passes(model, table, "service").mean() < 0.8
    assert not passes(model, table, "batch").any()


@pytest.mark.parametrize(
    "expect", ["latency_p95_s > 0.01", "latency_mean_s <= 0.5", "error_rate < 0.01", "cold_fraction < 1"]
)
def test_what_is_met_by_far_is_met_in_all_trials(expect: str) -> None:
    model = cost_model(having(example(), objectives=[expect]))
    assert passes(model, verdicts(model), "service").all()


@pytest.mark.parametrize(
    "expect", ["latency_p95_s >= 5", "latency_mean_s > 5", "error_rate > 0.5", "cold_fraction > 0.5"]
)
def test_what_is_missed_by_far_is_met_in_none(expect: str) -> None:
    model = cost_model(having(example(), objectives=[expect]))
    assert not passes(model, verdicts(model), "service").any()


def test_at_this_machine_s_speed_verdicts_are_those_of_the_run() -> None:
    run = having(example(), objectives=[P95, "error_rate < 0.01", "throughput_items_per_s > 1"])
    assert verdicts(cost_model(run)).equals(judge(run))


def test_an_objective_is_about_the_seconds_of_aws() -> None:
    """28 ms at the median here are 0.57 s where seconds are twenty times as long."""
    run = having(example(), objectives=[P95])
    found = advise(run, Question(1e9, speed_factor=20.0))
    assert best(found) is None
    assert kinds(found, "function") == kinds(found, "service") == {"objective"}
    assert "at speed factor 20" in text(found)
    here, there = verdicts(cost_model(run)), verdicts(Question(speed_factor=20.0).model(run))
    assert (there["value"] / here["value"]).to_numpy() == pytest.approx(20.0)
    assert "times here x 0.5, the speed factor" in first(advise(run, Question(1e9, speed_factor=0.5)))


def test_what_has_no_rule_for_another_speed_is_open_there() -> None:
    run = having(example(), objectives=["throughput_items_per_s > 1", "cost_usd_per_million < 1000"])
    table = verdicts(cost_model(run), slower=2.0)
    assert set(table["verdict"]) == {"undecided"}
    assert "missed" not in set(verdicts(cost_model(run))["verdict"])


def test_a_service_that_no_load_keeps_within_an_objective_is_ruled_out() -> None:
    """Even of its idle tasks p95 is above 0.12 s, which the interval of what was measured leaves open."""
    found = advise(having(example(), objectives=[P95 | {"expect": "latency_p95_s < 0.12"}]), Question(1e9))
    assert kinds(found, "service") == {"objective"}
    assert "at any load" in text(found)
    assert "service" not in {each.arm for each in found.ranked + found.undecided}
    assert all(each.to != "service" for each in found.flips)


def test_a_slower_aws_never_turns_to_a_service_that_cannot_do_it() -> None:
    run = having(example(), objectives=[P95])
    speeds = (0.5, 0.8, 1.0, 1.2, 1.5)
    usd = []
    for factor in speeds:
        found = advise(run, Question(1e9, speed_factor=factor))
        left = {each.arm: each.usd for each in (*found.ranked, *found.undecided)}
        usd.append(left.get("service", np.inf))
    assert all(one <= two for one, two in itertools.pairwise(usd))


def test_a_placement_that_loses_half_of_its_items_is_ruled_out(run: Run) -> None:
    half = having(run, failing(run, "function", 2))
    found = advise(half, Question(1e4))
    assert best(found) != "function"
    assert kinds(found, "function") == {"failures"}
    assert "12 of 24" in text(found) or "144 of 288" in text(found)
    assert (
        best(advise(having(half, half.attempts, objectives=[{"expect": "error_rate < 0.9"}]), Question(1e4)))
        == "function"
    )


def test_a_few_that_fail_stand_in_the_first_sentence(run: Run) -> None:
    found = advise(having(run, failing(run, "function", 100)), Question(1e4))
    assert best(found) == "function"
    assert "1 % of its items failed" in first(found)


def test_the_shape_of_a_day_is_told() -> None:
    found = advise(example(), Question(shape=Shape("diurnal", 8)))
    assert "as the mean of the month; diurnal, 8 hours a day" in text(found)
    assert as_json(found)["shape"] == "diurnal, 8 hours a day"
    assert "kept up all month" in text(advise(example()))
    assert "as you asked; even, 6 hours a day" in text(
        advise(example(), Question(1e6, shape=Shape("even", 6)))
    )


def test_what_does_not_turn_the_answer_is_told_too() -> None:
    found = advise(example(), Question(1e6))
    (speed,) = [each.text for each in found.holds if each.over == "speed"]
    model = cost_model(example())
    for factor in (0.5, 2.0):
        usd = float(model.curve(model.slower(model.option("function"), factor))(1e6))
        assert f"${usd:,.2f}" in speed
    assert {each.over for each in found.holds} | {each.over for each in found.flips} >= {
        "load", "duration", "memory", "price", "speed",
    }  # fmt: skip


def test_more_than_the_scenario_allows_is_a_caution() -> None:
    scaled = {"service": {"scaling": {"metric": "cpu", "target": 0.5, "min_tasks": 1, "max_tasks": 4}}}
    placements = example().manifest["scenario"]["placements"]
    run = having(example(), placements={**placements, "service": placements["service"] | scaled["service"]})
    many = advise(run, Question(1e9)).cautions
    assert any("allows 4 (max_tasks)" in each.text for each in many if each.arm == "service")
    assert any("vcpu_budget" in each.text for each in many if each.arm == "batch")
    few = advise(run, Question(1e6)).cautions
    assert not any("max_tasks" in each.text or "vcpu_budget" in each.text for each in few)
    unscaled = advise(example(), Question(1e9)).cautions
    assert any("the run had 2" in each.text for each in unscaled if each.arm == "service")


def test_a_run_of_which_nothing_is_valid_says_so(tmp_path: Path) -> None:
    late = make_run(tmp_path / "late", blocks=2, warmup_blocks=0, late_blocks=(0, 1))
    for folder, why in ((late.folder, "late"), (make_run(tmp_path / "none", blocks=0).folder, "no attempt")):
        done = CliRunner().invoke(main, ["advise", str(folder)])
        assert done.exit_code == 1
        assert "Nothing of this run could be used" in done.output
        assert "ruled out" not in done.output.split("Ruled out")[0]
        assert why in done.output


def test_an_answer_of_nothing_has_an_exit_code(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=2, failed_share=1.0)
    assert CliRunner().invoke(main, ["advise", str(run.folder), "--json"]).exit_code == 1


def test_whose_prices_they_are_and_how_old_is_told() -> None:
    run = having(example(), prices={"lambda_gb_second_x86": "0.00001"})
    told = text(advise(run, Question(1e6)))
    assert "Published prices" not in told
    assert "of the scenario itself (lambda_gb_second_x86)" in told
    assert "lambda_gb_second_x86 $0.00001" in told
    book = cost_model(example()).terms.book
    then = datetime.date.fromisoformat(book.date)
    for days, is_old in ((180, False), (181, True)):
        found = advise(example(), Question(1e6), today=then + datetime.timedelta(days))
        assert ("older than 180 days" in text(found)) is is_old


def test_the_cold_starts_of_a_month_are_a_caution() -> None:
    found = advise(example(), Question(1e6))
    assert any("6.2 % of all items" in each.text for each in found.cautions if each.arm == "function")
    warm = having(example(), changed(example(), "function", cold=False))
    assert not any("cold starts" in each.text for each in advise(warm, Question(1e6)).cautions)


def test_a_region_without_a_book_is_bad_usage_of_report_and_advise(tmp_path: Path) -> None:
    made = make_run(tmp_path / "r", blocks=1, warmup_blocks=0)
    manifest = made.manifest | {"scenario": made.manifest["scenario"] | {"region": "ap-south-1"}}
    (made.folder / "manifest.json").write_text(json.dumps(manifest))
    for command in ("report", "advise"):
        done = CliRunner().invoke(main, [command, str(made.folder)])
        assert done.exit_code == 2, command
        assert "no price book for region 'ap-south-1'; there are eu-west-1, us-east-1" in done.output
