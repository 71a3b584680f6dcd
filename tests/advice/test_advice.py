"""Advice on runs whose answer is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import load
from harness.advice import Question, advise, as_json
from harness.advice.words import paragraphs
from harness.cli import main
from harness.cost.model import cost_model
from harness.cost.terms import MONTH_S, Shape
from harness.runs import Run
from harness.scenario import ROOT
from tests.advice.changes import best, changed, having, kinds
from tests.cost.made import BOOK
from tests.synthetic import empty_run, make_run

EXAMPLE = ROOT / "results" / "example"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r")


def test_few_items_are_for_a_function_and_many_for_the_service(run: Run) -> None:
    few, many = (advise(run, Question(items)) for items in (1e4, 3e9))
    assert few.best is not None
    assert many.best is not None
    assert few.best.arm == "function"
    assert many.best.arm == "service"
    assert few.confidence.share == many.confidence.share == 1.0


def test_the_premium_of_the_second_is_the_difference_of_both_costs(run: Run) -> None:
    found = advise(run, Question(1e6))
    assert found.best is not None
    assert found.second is not None
    model = cost_model(run)
    costs = sorted(float(model.curve(each)(1e6)) for each in model.options)
    assert found.premium_usd == pytest.approx(costs[1] - costs[0])
    assert [each.usd for each in found.ranked] == pytest.approx(costs)


def test_the_load_flips_where_the_advice_does(run: Run) -> None:
    """Advice on either side of the point that it names."""
    found = advise(run, Question(1e4))
    flip = next(each for each in found.flips if each.over == "load")
    below, above = (advise(run, Question(flip.at * factor)) for factor in (0.999, 1.001))
    assert below.best is not None
    assert above.best is not None
    assert below.best.arm == "function"
    assert above.best.arm == flip.to != "function"
    assert flip.low <= flip.at <= flip.high


def test_the_price_flips_where_both_cost_the_same(run: Run) -> None:
    found = advise(run, Question(1e7))
    flip = next(each for each in found.flips if each.over == "price")
    assert found.best is not None
    assert found.second is not None
    dearer_usd = found.best.common_usd + flip.at * found.best.own_usd
    assert dearer_usd == pytest.approx(found.second.usd)


def test_the_duration_flips_where_a_slower_aws_does(run: Run) -> None:
    found = advise(run, Question(1e7))
    flip = next(each for each in found.flips if each.over == "duration" and each.at > 1)
    for factor, arm in ((0.97, "function"), (1.03, flip.to)):
        other = advise(run, Question(1e7, speed_factor=min(1000, flip.at * factor)))
        assert other.best is not None
        assert other.best.arm == arm


def test_the_speed_that_turns_the_answer_is_told_with_what_would_settle_it(run: Run) -> None:
    near = next(each.at for each in advise(run, Question(1e4)).flips if each.over == "load")
    asked = near * 0.9
    found = advise(run, Question(asked))
    (flip,) = [each for each in found.flips if each.over == "speed"]
    assert 1 < flip.at < 2
    assert any("speed" in text for text in found.measurements)
    for factor, arm in ((0.98, "function"), (1.0, flip.to)):
        assert best(advise(run, Question(asked, speed_factor=flip.at * factor))) == arm


def test_near_the_flip_the_blocks_disagree(run: Run) -> None:
    flip = next(each for each in advise(run, Question(1e4)).flips if each.over == "load")
    found = advise(run, Question(flip.at * 0.999))
    assert 0.3 < found.confidence.share < 0.95
    assert any(text.startswith("More blocks: the order is not sure") for text in found.measurements)


def test_one_block_has_no_confidence(tmp_path: Path) -> None:
    found = advise(make_run(tmp_path / "r", blocks=1, warmup_blocks=0), Question(1e6))
    assert math.isnan(found.confidence.share)
    assert as_json(found)["confidence"]["share"] is None
    assert any("More blocks" in text for text in found.measurements)
    assert any("Unknown" in line for _, lines in paragraphs(found) for line in lines)


def test_a_missed_objective_rules_out_the_cheapest(run: Run) -> None:
    other = having(run, objectives=[{"expect": "latency_p50_s < 0.07", "phase": "steady"}])
    found = advise(other, Question(1e4))
    assert found.best is not None
    assert found.best.arm == "service"
    assert kinds(found, "function") == {"objective"}
    assert kinds(found, "batch") == {"objective"}
    evidence = next(each.evidence for each in found.exclusions if each.arm == "function")
    assert "ms" in evidence
    assert "steady" in evidence


def test_a_cold_start_that_breaks_an_objective_is_named(run: Run) -> None:
    """2 of 24 items of a function are cold, and 0.5 s slower: the mean of the warm ones is within the bound."""
    other = having(
        run, objectives=[{"expect": "latency_p95_s < 0.4", "placement": "function", "phase": "steady"}]
    )
    found = advise(other, Question(1e4))
    assert kinds(found, "function") == {"cold_start"}
    (why,) = [each for each in found.exclusions if each.arm == "function"]
    assert "24 of 288 items" in why.evidence
    assert found.best is not None
    assert found.best.arm != "function"


def test_nothing_is_advised_where_everything_is_ruled_out(run: Run) -> None:
    found = advise(having(run, objectives=[{"expect": "latency_p50_s < 0.001"}]), Question(1e4))
    assert found.best is None
    assert found.premium_usd is None
    assert {each.arm for each in found.exclusions} == {"function", "batch", "service"}
    assert dict(paragraphs(found))["Advice"] == [
        "None of the placements of this run can be advised: each is ruled out."
    ]


def unfinished(run: Run, **elsewhere: Any) -> Any:
    """Attempts of which the function failed at one item each time, and what batch took for the same item."""
    rows = run.attempts.copy()
    rows["outcome"] = rows["outcome"].astype(str)
    one = rows["item"].astype(str) == "0003.jpg"
    rows.loc[one & (rows["arm"] == "function"), "outcome"] = "error"
    for name, value in elsewhere.items():
        rows.loc[one & (rows["arm"] == "batch"), name] = value
    return rows


def test_work_of_more_than_900_s_is_no_function(run: Run) -> None:
    found = advise(having(run, unfinished(run, handler_s=901.0)), Question(1e4))
    assert kinds(found, "function") == {"time"}
    assert "15 min 1 s" in next(each.evidence for each in found.exclusions if each.arm == "function")
    assert not kinds(advise(having(run, unfinished(run, handler_s=899.0)), Question(1e4)), "function")


def test_a_function_is_not_held_to_what_another_placement_took_for_items_that_it_finished(run: Run) -> None:
    for column, value in (("handler_s", 901.0), ("memory_peak_bytes", 10_241 * 2**20)):
        found = advise(having(run, changed(run, "batch", **{column: value})), Question(1e4))
        assert not kinds(found, "function")
        assert best(found) == "function"


def test_a_slower_aws_may_take_an_item_past_900_s(run: Run) -> None:
    long = having(run, changed(run, "function", handler_s=500.0))
    assert not kinds(advise(long, Question(1e4)), "function")
    assert kinds(advise(long, Question(1e4, speed_factor=2.0)), "function") == {"time"}


def test_a_function_that_ran_into_the_scaled_cap_is_excluded(run: Run) -> None:
    rows = changed(run, "function", outcome="timeout")
    other = having(run, rows, placements={"function": {"cap_s": 1.0, "timeout_s": 1.0}})
    found = advise(other, Question(1e4))
    why = next(each for each in found.exclusions if each.arm == "function" and each.kind == "time")
    assert "a cap of 900 s, scaled to 1 s" in why.evidence
    assert why.reason == "the work takes longer than a function may run"


def test_more_memory_than_a_function_can_have(run: Run) -> None:
    found = advise(having(run, unfinished(run, memory_peak_bytes=10_241 * 2**20)), Question(1e4))
    assert kinds(found, "function") == {"memory"}


def test_a_size_that_ran_out_of_memory_is_excluded_in_any_placement(run: Run) -> None:
    for arm in ("function", "batch", "service"):
        rows = run.attempts.copy()
        rows["outcome"] = rows["outcome"].astype(str)
        rows.loc[rows.index[rows["arm"] == arm][-3:], "outcome"] = "out_of_memory"
        found = advise(having(run, rows), Question(1e4))
        (why,) = [each for each in found.exclusions if each.arm == arm]
        assert (why.kind, why.evidence) == ("memory", "3 attempts were ended for want of memory")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", "disk"),
        ("Function.ResponseSizeTooLarge: Response payload size exceeded", "payload"),
        ("RequestTooLargeException: too large", "payload"),
    ],
)
def test_errors_that_name_a_limit(run: Run, error: str, kind: str) -> None:
    found = advise(having(run, changed(run, "function", outcome="error", error=error)), Question(1e4))
    assert kind in kinds(found, "function")
    assert kinds(found, "service") == set()


def test_an_image_or_payload_that_is_too_large(run: Run) -> None:
    image = replace(run, manifest=run.manifest | {"image": {"size_bytes": 11 * 2**30}})
    assert kinds(advise(image, Question(1e4)), "function") == {"image"}
    for invocation, mib, expected in (
        ("event", 2, {"payload"}),
        ("request", 2, set()),
        ("request", 7, {"payload"}),
    ):
        own = {"function": {"payload": {"text": "x" * (mib << 20)}, "invocation": invocation}}
        assert kinds(advise(having(run, placements=own), Question(1e4)), "function") == expected


def test_what_cannot_be_priced_is_not_advised(run: Run) -> None:
    own = {"compute": "EC2", "instances": [{"name": "x9.huge", "vcpu": 9, "memory_mb": 99_999}]}
    found = advise(having(run, placements={"batch": own, "service": own}), Question(1e4))
    assert kinds(found, "batch") == kinds(found, "service") == {"price"}
    evidence = {each.arm: each.evidence for each in found.exclusions}
    assert "ec2_x9_huge" in evidence["service"]
    assert "no instance of it was seen" in evidence["batch"]


def test_concurrency_near_the_limit_is_a_caution(run: Run) -> None:
    billed_s = cost_model(run).option("function").figures.billed_s
    items = 90 / billed_s * MONTH_S
    run = having(run, placements={"function": {"account_concurrency": 100}})
    texts = [each.text for each in advise(run, Question(items)).cautions if each.arm == "function"]
    assert any("90 invocations would run at once" in text and "100 are allowed" in text for text in texts)
    texts = [each.text for each in advise(run, Question(items / 2)).cautions if each.arm == "function"]
    assert not any("at once" in text for text in texts)
    # The same load within six hours of a day has four times the peak.
    peak = advise(run, Question(items / 4, shape=Shape("even", 6)))
    assert any("90 invocations would run at once" in each.text for each in peak.cautions)


def test_spot_is_cautioned_against(run: Run) -> None:
    own = {"service": {"compute": "FARGATE_SPOT"}}
    found = advise(having(run, placements=own), Question(1e4))
    assert any("two minutes' notice" in each.text for each in found.cautions if each.arm == "service")


def test_failures_and_an_open_objective_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", failed_share=0.05)
    other = having(run, objectives=[{"expect": "error_rate < 0.05"}])
    found = advise(other, Question(1e4))
    assert any("of its items failed" in each.text for each in found.cautions)
    assert any("is open" in text for text in found.measurements)


def test_prices_of_the_scenario_decide(run: Run) -> None:
    cheap = {"fargate_vcpu_hour_x86": "0", "fargate_gb_hour_x86": "0", "public_ipv4_hour": "0", "load_balancer_hour":
    "0",
             "load_balancer_lcu_hour": "0"}  # fmt: skip
    found = advise(having(run, prices=cheap), Question(1e4))
    assert found.best is not None
    assert found.best.arm in {"service", "batch"}
    assert float(BOOK.price("fargate_vcpu_hour_x86")) > 0


def test_the_free_tier_is_told_where_it_turns_the_answer(run: Run) -> None:
    flip = next(each for each in advise(run, Question(1e4)).flips if each.over == "load")
    found = advise(run, Question(flip.at * 1.01))
    assert any(each.over == "free tier" and each.to == "function" for each in found.flips)
    assert not any(each.over == "free tier" for each in advise(run, Question(1e4)).flips)


def test_batch_that_collects_for_an_hour_is_offered_where_it_would_be_cheaper(run: Run) -> None:
    run = having(run, changed(run, "batch", handler_s=0.005))
    found = advise(run, Question(1e7))
    assert found.best is not None
    assert [each.arm for each in found.alternatives] == ["batch"]
    assert found.alternatives[0].usd < found.best.usd
    killed = run.attempts.copy()
    killed["outcome"] = killed["outcome"].astype(str)
    killed.loc[killed.index[killed["arm"] == "batch"][-3:], "outcome"] = "out_of_memory"
    assert advise(having(run, killed), Question(1e7)).alternatives == (), "its memory rules it out"
    assert advise(run, Question(10)).alternatives == ()


def test_an_empty_run_has_no_advice(tmp_path: Path) -> None:
    found = advise(empty_run(tmp_path / "r"))
    assert found.best is None
    assert paragraphs(found)


def test_the_load_must_be_a_load() -> None:
    with pytest.raises(ValueError, match=r"items_per_month: got 0, allowed: 1 to 10 billion"):
        Question(0)


def test_the_example_in_words_and_as_json() -> None:
    words = CliRunner().invoke(main, ["advise", str(EXAMPLE)])
    assert words.exit_code == 0
    for heading in ("Advice", "Second best", "How sure", "Where the answer flips", "Prices"):
        assert heading in words.output
    assert "Use function, a Lambda function of 885 MB" in words.output
    told = CliRunner().invoke(
        main, ["advise", str(EXAMPLE), "--json", "--items-per-month", "1e6", "--free-tier"]
    )
    found = json.loads(told.output)
    assert (found["best"], found["second"], found["items_per_month"], found["free_tier"]) == (
        "function",
        "service",
        1e6,
        True,
    )
    assert found["ranked"][0]["usd"] < found["ranked"][1]["usd"]


def test_the_command_refuses_what_is_no_run_or_no_load(tmp_path: Path) -> None:
    for arguments, text in (
        (["advise", str(tmp_path)], "no manifest.json"),
        (["advise", str(EXAMPLE), "--items-per-month", "0"], "got 0, allowed: 1 to 10 billion"),
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2
        assert text in done.output


def test_the_example_s_advice_does_not_depend_on_how_it_is_asked() -> None:
    run = load(EXAMPLE)
    assert as_json(advise(run)) == as_json(advise(run, Question(10 * MONTH_S))) | {
        "load": as_json(advise(run))["load"]
    }
