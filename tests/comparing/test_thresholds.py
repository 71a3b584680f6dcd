from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.comparing.figures import BY_NAME
from harness.comparing.thresholds import Threshold, ThresholdError, check_names, judge, parse


def a_row(**changes: Any) -> dict[str, Any]:
    row = {
        "run": "b", "phase": "steady", "arm": "function", "metric": "latency_p50_s", "ratio": 1.2, "ratio_low": 1.15,
        "ratio_high": 1.25, "aa_floor": 0.02, "verdict": "regression", "reason": "",
    }  # fmt: skip
    return row | changes


def judged(text: str, *rows: dict[str, Any]) -> list[str]:
    return list(judge(pd.DataFrame(rows), [parse(text)])["judgement"])


def test_expressions() -> None:
    assert parse("any") == Threshold("any", None, 0.0)
    assert parse("any:function:steady").names == ("function", "steady")
    assert parse("latency_p95_s>5%") == Threshold("latency_p95_s>5%", "latency_p95_s", 0.05)
    assert parse(" cost_usd_per_million:my-arm > 2.5 % ").names == ("my-arm",)
    assert parse("throughput_items_per_s < -5%").bound == -0.05


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency > 5%", "allowed are any, latency_p50_s"),
        ("latency_p50_s", "becomes worse as it rises"),
        ("latency_p50_s > 0.05", "allowed are such as"),
        ("latency_p50_s > -5%", "rises"),
        ("latency_p50_s < -5%", "rises"),
        ("throughput_items_per_s > 5%", "< -5%"),
        ("throughput_items_per_s < 5%", "falls"),
        ("throughput_items_per_s < -100%", "100 %"),
        ("any > 5%", "takes no bound"),
        ("latency_p50_s > 1.2.3%", "rises"),
        ("", "allowed are such as"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse(text)
    assert told in str(caught.value)


@given(st.sampled_from(sorted(BY_NAME)), st.floats(0, 99, allow_nan=False))
def test_every_metric_takes_a_bound_on_its_worse_side(name: str, percent: float) -> None:
    text = f"{name} > {percent:.4f}%" if BY_NAME[name].more_is_worse else f"{name} < -{percent:.4f}%"
    assert abs(parse(text).bound) == pytest.approx(percent / 100, abs=1e-6)


def test_a_name_has_to_be_an_arm_or_a_phase() -> None:
    check_names([parse("any:steady")], ["function"], ["steady"])
    with pytest.raises(ThresholdError, match="arms are function, phases steady"):
        check_names([parse("any:drop")], ["function"], ["steady"])


def test_it_fails_only_where_the_whole_interval_says_so() -> None:
    assert judged("latency_p50_s > 10%", a_row()) == ["failed"]
    assert judged("latency_p50_s > 20%", a_row()) == ["undecided"]
    assert judged("latency_p50_s > 30%", a_row()) == ["passed"]


def test_what_may_not_be_claimed_is_undecided() -> None:
    within_floor = a_row(
        verdict="no difference shown", aa_floor=0.3, reason="identical arms differed as much"
    )
    assert judged("latency_p50_s > 10%", within_floor) == ["undecided"]
    assert judged("any", within_floor) == ["passed"]
    for text in ("latency_p50_s > 10%", "latency_p50_s > 50%", "any"):
        assert judged(text, a_row(verdict="too few blocks")) == ["undecided"]
        assert judged(text, a_row(verdict="no difference shown", aa_floor=math.nan)) == ["undecided"]


def test_throughput_fails_as_it_falls() -> None:
    fell = a_row(metric="throughput_items_per_s", ratio=0.8, ratio_low=0.75, ratio_high=0.85)
    assert judged("throughput_items_per_s < -10%", fell) == ["failed"]
    assert judged("throughput_items_per_s < -20%", fell) == ["undecided"]
    assert judged("throughput_items_per_s < -30%", fell) == ["passed"]


def test_any_fails_on_each_regression_and_on_nothing_else() -> None:
    better = a_row(verdict="improvement", ratio=0.8, ratio_low=0.75, ratio_high=0.85, arm="batch")
    assert judged("any", a_row(), better) == ["failed", "passed"]
    assert judged("any:batch", a_row(), better) == ["passed"]
    assert judged("any:steady:function", a_row(), better) == ["failed"]


def test_infinite_and_missing_ratios_of_failures() -> None:
    many = a_row(metric="error_rate", ratio=math.inf, ratio_low=4.0, ratio_high=math.inf)
    none = a_row(
        metric="error_rate",
        ratio=math.nan,
        ratio_low=math.nan,
        ratio_high=math.nan,
        verdict="no difference shown",
    )
    assert judged("error_rate > 100%", many) == ["failed"]
    assert judged("error_rate > 100%", none) == ["passed"]


def test_a_figure_that_no_run_has_is_undecided() -> None:
    table = judge(pd.DataFrame([a_row()]), [parse("latency_p95_s > 5%")])
    assert list(table["judgement"]) == ["undecided"]
    assert "no such figure" in table["reason"].iloc[0]
