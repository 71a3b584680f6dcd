"""Where the answer turns: true on both sides of each place that is named, and beyond."""

from __future__ import annotations

import math
import re
from functools import cache

import numpy as np
import pytest

from harness import load
from harness.advice import Advice, Question, advise
from harness.advice.flips import Flip, _Axis, _cheaper, _times, _where
from harness.cost.breakeven import memory_curve
from harness.cost.curve import levels, line
from harness.cost.model import cost_model
from harness.runs import Run
from tests.advice.changes import best, having
from tests.recorded import RECORDED

NAN = float("nan")


@cache
def example() -> Run:
    return load(RECORDED)


def slow(factor: float) -> Run:
    """The example with a handler that takes so many times as long, of function and service."""
    rows = example().attempts.copy()
    rows = rows[rows["arm"] != "batch"]
    for name in ("handler_s", "billed_s", "work_s"):
        rows[name] = rows[name] * factor
    run = having(example(), rows)
    run.manifest["arms"] = {name: about for name, about in run.manifest["arms"].items() if name != "batch"}
    return run


def over(found: Advice, what: str) -> list[Flip]:
    return [each for each in found.flips if each.over == what]


def axis(now: float = 10.0) -> _Axis:
    return _Axis("load", 1, 100, now, "{:g}".format, "at", "fewer", lambda at: " items", "")


@pytest.mark.parametrize(
    ("spans", "above", "told"),
    [
        ([(12.0, 100.0)], True, "at more than 12 items"),
        ([(12.0, 13.0), (20.0, 100.0)], True, "at 12 to 13 or more than 20 items"),
        ([(12.0, 13.0), (20.0, 21.0)], True, "at 12 to 13 or 20 to 21 items"),
        (
            [(12.0, 13.0), (14.0, 15.0), (16.0, 17.0), (20.0, 100.0)],
            True,
            "at 12 to 17 off and on (3 ranges) or more than 20 items",
        ),
        ([(9.0, 8.0), (5.0, 1.0)], False, "at 8 to 9 or fewer than 5 items"),
        ([(9.0, 8.0)], False, "at 8 to 9 items"),
    ],
)
def test_ranges_in_words(spans: list[tuple[float, float]], above: bool, told: str) -> None:
    assert _where(axis(), above, spans, {1.0, 100.0}, (NAN, NAN)) == told


def test_the_ranges_in_which_steps_are_cheaper_than_a_line() -> None:
    steps = levels([0.0, 10.0, 20.0], [5.0, 15.0, 16.0])
    assert _cheaper(line(0.0, 1.0), steps, 1.0, 100.0) == [(5.0, 10.0), (15.0, 100.0)]
    assert _cheaper(steps, line(0.0, 1.0), 1.0, 100.0) == [(1.0, 5.0), (10.0, 15.0)]


@pytest.mark.parametrize(
    ("at", "told"), [(1.0004, "1.0004"), (0.99997, "0.99997"), (1.0, "1"), (245.12, "245")]
)
def test_a_place_beside_the_present_is_told_from_it(at: float, told: str) -> None:
    assert _times(at) == told


def test_memory_is_told_range_by_range_and_for_good() -> None:
    """Service is cheaper at the ends of Fargate's sizes before it is for good."""
    found = advise(example())
    flip = over(found, "memory")[0]
    model = cost_model(example())
    curves = [
        memory_curve(model, model.option(name), found.items_per_month) for name in ("function", "service")
    ]
    told = [float(each.replace(",", "")) for each in re.findall(r"(?:\d{1,3},)*\d{3,}", flip.text)]
    assert told[0] == pytest.approx(flip.at, abs=1)
    beyond = np.arange(math.ceil(flip.stays) + 1, 10_240)
    assert (curves[1](beyond) < curves[0](beyond)).all()
    assert float(curves[1](flip.stays - 5)) > float(curves[0](flip.stays - 5))


@pytest.mark.parametrize("items", [1e4, 1e6, 1e8, 2.5e9, 9e9])
def test_beyond_where_it_stays_the_load_keeps_it(items: float) -> None:
    found = advise(example(), Question(items))
    model = cost_model(example())
    for flip in over(found, "load"):
        if math.isnan(flip.stays):
            assert flip.text.startswith("at 135,578 to 4.521 billion"), "and below batch is cheaper again"
            continue
        pair = [model.curve(model.option(name)) for name in (best(found) or "", flip.to)]
        side = np.geomspace(flip.stays, 1e10 if flip.at > items else 1.0, 400)[1:]
        assert (pair[1](side) < pair[0](side)).all(), flip.text


def test_no_place_lies_beyond_what_a_function_may_run() -> None:
    run = slow(200.0)
    found = advise(run, Question(1000))
    longest_s = float(run.attempts.loc[run.attempts["arm"] == "function", "handler_s"].max())
    last = over(found, "duration")[-1]
    assert all(each.at <= 900 / longest_s * 1.001 for each in over(found, "duration"))
    assert last.at == pytest.approx(900 / longest_s, rel=0.01)
    assert last.to == "service"
    assert "is ruled out" in last.text
    assert "at the mean" in last.text
    beyond = advise(run, Question(1000, speed_factor=last.at * 1.02))
    assert best(beyond) == "service"


def test_a_function_s_memory_ends_where_lambda_s_does() -> None:
    last = over(advise(example()), "memory")[-1]
    assert (last.at, last.to) == (10_240, "service")
    assert "function is ruled out" in last.text


def test_an_objective_ends_how_long_an_item_may_take() -> None:
    """p95 of the service has an interval from 108 ms: at more than 1.85 times that it surely misses 0.2 s."""
    run = having(example(), objectives=[{"expect": "latency_mean_s < 0.2", "phase": "steady"}])
    found = advise(run, Question(1e6))
    last = over(found, "duration")[-1]
    assert "surely misses latency_mean_s < 0.2 in phase steady" in last.text
    factor = last.at * 1.01
    assert best(advise(run, Question(1e6, speed_factor=factor))) != best(found)


@pytest.mark.parametrize("items", [3e8, 1e9])
def test_under_an_objective_a_duration_turns_the_answer_where_advice_says_so(items: float) -> None:
    """A service has less use of its tasks where items take longer, which the curves over duration do not know."""
    run = having(example(), objectives=[{"expect": "latency_p95_s < 0.2", "phase": "steady"}])
    found = advise(run, Question(items, speed_factor=0.8))
    assert len(found.ranked) == 2
    for flip in over(found, "duration"):
        if not flip.limit:
            factor = flip.at * (1.02 if flip.at > 1 else 1 / 1.02)
            assert best(advise(run, Question(items, speed_factor=0.8 * factor))) == flip.to
