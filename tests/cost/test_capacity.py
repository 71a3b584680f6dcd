"""What one task carries: its full rate, the queue before it, and what an objective leaves of it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import load
from harness.cost.capacity import Task, latencies_s, stays_s
from harness.cost.model import CostModel, cost_model
from harness.cost.month import month
from harness.runs import Run
from harness.statistics import quantile_interval
from tests.recorded import RECORDED
from tests.synthetic import make_run

P95 = 0.95


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r")


@cache
def example() -> Run:
    return load(RECORDED)


def demanding(run: Run, *expected: str) -> CostModel:
    scenario = run.manifest["scenario"] | {"objectives": [{"expect": each} for each in expected]}
    return cost_model(replace(run, manifest=run.manifest | {"scenario": scenario}))


def of_service(run: Run, phase: str) -> Any:
    rows = run.attempts
    return rows[
        (rows["arm"] == "service") & (rows["phase"] == phase) & ~rows["warmup"] & (rows["block"] >= 0)
    ]


def example_task() -> Task:
    task = cost_model(example()).option("service").task
    assert task is not None
    assert task.at_once == 1
    return task


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.9])
def test_the_queue_waits_as_long_as_theory_says(busy: float) -> None:
    """Pollaczek and Khinchine: with exponential service times the mean stay is 1 / (rate - arrivals)."""
    times_s = np.random.default_rng(2).exponential(0.1, 50_000)
    mean_s = float(times_s.mean())
    found = float(latencies_s(Task(times_s, 1 / mean_s), busy, count=400_000).mean())
    assert found == pytest.approx(mean_s / (1 - busy), rel=0.1)


def test_several_items_at_once_wait_as_long_as_erlang_says() -> None:
    """M/M/2: the mean stay is the mean work / (1 - load squared)."""
    times_s = np.random.default_rng(2).exponential(0.1, 50_000)
    mean_s = float(times_s.mean())
    found = float(latencies_s(Task(times_s, 2 / mean_s, at_once=2), 0.6, count=400_000).mean())
    assert found == pytest.approx(mean_s / (1 - 0.6**2), rel=0.05)


def test_items_that_meet_others_take_as_long_as_in_a_task_that_is_never_idle() -> None:
    """Items of 40 ms, of which a task does 16 a second: alone they take 40 ms, in a row 62.5 ms each."""
    task = Task(np.array([0.04]), 16.0)
    alone, row = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.01, 0.02])
    assert stays_s(task, alone, np.full(3, 0.04)) == pytest.approx([0.04, 0.04, 0.04])
    assert stays_s(task, row, np.full(3, 0.04)) == pytest.approx(
        [0.04, 0.04 + 0.0625 - 0.01, 0.04 + 0.125 - 0.02]
    )


def test_a_task_s_rate_counts_the_seconds_in_which_it_worked(run: Run) -> None:
    """Not those in which it had nothing left, while another was not done: 12 items of 0.1 s in one task, 6 of it in the
    other are 10 items a second each, though the drop lasts 1.2 s.
    """
    rows: Any = run.attempts.copy()
    mine = rows["arm"].eq("service") & rows["phase"].eq("drop")
    order = rows[mine].groupby(["block", "container"], observed=True).cumcount()
    rows["handler_s"] = rows["handler_s"].astype("float64")
    rows.loc[mine, "handler_s"] = np.where(
        rows.loc[mine, "container"].astype(str).str.endswith("1"), 0.05, 0.1
    )
    first_ns = rows[mine].groupby("block")["due_ns"].transform("min")
    rows.loc[mine, "started_ns"] = first_ns + (order * rows.loc[mine, "handler_s"] * 1e9).round().astype(
        "int64"
    )
    answer_at_once(rows, mine)
    figures = cost_model(replace(run, attempts=rows)).option("service").figures
    assert figures.rate_per_s == pytest.approx(24 / (12 * 0.1 + 12 * 0.05))
    assert figures.at_once == pytest.approx(1.0)


def test_seconds_with_several_items_in_hand_count_once(run: Run) -> None:
    rows: Any = run.attempts.copy()
    mine = rows["arm"].eq("service") & rows["phase"].eq("drop")
    rows.loc[mine, "handler_s"] = 1.2
    rows.loc[mine, "started_ns"] = rows[mine].groupby("block")["due_ns"].transform("min")
    answer_at_once(rows, mine)
    figures = cost_model(replace(run, attempts=rows)).option("service").figures
    assert figures.rate_per_s == pytest.approx(24 / 2 / 1.2), "12 items at once in each of two tasks"
    assert figures.at_once == pytest.approx(12)


def answer_at_once(rows: Any, mine: Any) -> None:
    """Answers are there as soon as their handlers end."""
    rows.loc[mine, "done_ns"] = rows.loc[mine, "started_ns"] + (
        rows.loc[mine, "handler_s"] * 1e9
    ).round().astype("int64")


def test_what_a_task_does_between_two_handlers_is_work(run: Run) -> None:
    """A handler of a millisecond, and four more for HTTP: one item after the other that is 200 a second, not 1,000."""
    rows: Any = run.attempts.copy()
    mine = rows["arm"].eq("service") & rows["phase"].eq("drop")
    order = rows[mine].groupby(["block", "container"], observed=True).cumcount()
    rows.loc[mine, "handler_s"] = 0.001
    rows.loc[mine, "started_ns"] = rows[mine].groupby("block")["due_ns"].transform("min") + order * 5_000_000
    rows.loc[mine, "done_ns"] = rows.loc[mine, "started_ns"] + 5_000_000
    figures = cost_model(replace(run, attempts=rows)).option("service").figures
    assert figures.rate_per_s == pytest.approx(200)


def test_without_a_phase_that_keeps_tasks_busy_the_rate_is_what_handlers_allow(run: Run) -> None:
    paced = run.attempts[(run.attempts["phase"] == "steady").to_numpy()]
    option = cost_model(replace(run, attempts=paced)).option("service")
    own = of_service(run, "steady").astype({"handler_s": float, "cpu_s": float})
    assert not option.sums.saturated
    assert option.arm.vcpu == 0.5
    most_per_s = min(1 / own["handler_s"].mean(), 0.5 / own["cpu_s"].mean())
    assert option.figures.rate_per_s == pytest.approx(most_per_s)


def test_the_model_s_p95_is_the_one_that_the_example_measured() -> None:
    """At the run's own arrivals: ten items a second, evenly, of which each of two tasks has one in 200 ms."""
    own = of_service(example(), "steady")
    measured = quantile_interval(own["latency_s"].to_numpy(), P95, blocks=own["block"].to_numpy())
    assert measured is not None
    task, count = example_task(), 20_000
    drawn_s = np.random.default_rng(3).choice(task.alone_s, count)
    assert (
        measured.low
        < np.quantile(stays_s(task, np.linspace(0.0, 0.2 * (count - 1), count), drawn_s), P95)
        < measured.high
    )


def test_the_model_s_p95_is_that_of_tasks_behind_a_load_balancer() -> None:
    """Four tasks and items that come at random: as they are spread at random the model gives what each of them has,
    and a balancer that knows which task is free does better.
    """
    rng, tasks, count = np.random.default_rng(4), 4, 40_000
    times_s = rng.gamma(2.0, 0.02, count)
    at_s = np.cumsum(rng.exponential(float(times_s.mean()) / (tasks * 0.6), count))
    chosen = rng.integers(0, tasks, count)
    stays = np.concatenate([stays_alone(at_s[chosen == n], times_s[chosen == n]) for n in range(tasks)])
    model = np.quantile(latencies_s(Task(times_s, 1 / float(times_s.mean())), 0.6, count=100_000), P95)
    assert model == pytest.approx(np.quantile(stays, P95), rel=0.08)
    pooled = Task(times_s, tasks / float(times_s.mean()), at_once=tasks)
    assert np.quantile(stays_s(pooled, at_s, times_s), P95) < model


def stays_alone(at_s: Any, times_s: Any) -> Any:
    """Lindley's recursion, written down as it is: an oracle."""
    free_s, found = 0.0, []
    for at, time in zip(at_s, times_s, strict=True):
        free_s = max(free_s, at) + time
        found.append(free_s - at)
    return found


def test_a_stricter_objective_leaves_less_of_a_task(run: Run) -> None:
    idle_s = float(np.quantile(of_service(run, "steady")["handler_s"].astype(float), P95))
    options = [
        demanding(run, f"latency_p95_s < {idle_s * times:.4f}").option("service") for times in (1.5, 3, 9)
    ]
    shares = [each.utilisation.share for each in options if each.utilisation]
    assert 0 < shares[0] < shares[1] < shares[2] <= 0.99


def test_what_even_an_idle_task_misses_has_no_price(run: Run) -> None:
    model = demanding(run, "latency_p95_s < 0.005")
    assert {each.name for each in model.options} == {"function", "batch"}
    assert model.infeasible == {"service": "latency_p95_s < 0.005"}
    assert "service" not in set(month(model)["arm"])
    assert model.on(free_tier=True).infeasible == model.infeasible


SPEEDS = st.floats(0.3, 6)


def service_usd(model: CostModel, factor: float) -> float:
    """What a billion items cost where seconds are so many times as long; infinite where they cannot be done."""
    if "service" in model.infeasible:
        return math.inf
    usd = float(model.curve(model.slower(model.option("service"), factor))(1e9))
    return math.inf if math.isnan(usd) else usd


@settings(max_examples=12, deadline=None)
@given(one=SPEEDS, two=SPEEDS)
def test_a_slower_aws_never_makes_a_service_with_an_objective_cheaper(one: float, two: float) -> None:
    model = demanding(example(), "latency_p95_s < 0.2")
    low, high = sorted([one, two])
    assert service_usd(model, low) <= service_usd(model, high) * (1 + 1e-12)


@settings(max_examples=12, deadline=None)
@given(one=st.floats(0.145, 2), two=st.floats(0.145, 2))
def test_a_stricter_objective_never_makes_a_service_cheaper(one: float, two: float) -> None:
    strict_s, loose_s = sorted([one, two])
    usd = [
        service_usd(demanding(example(), f"latency_p95_s < {each!r}"), 1.0) for each in (strict_s, loose_s)
    ]
    assert usd[0] >= usd[1] * (1 - 1e-12)


def test_a_second_objective_never_makes_a_service_cheaper() -> None:
    one = service_usd(demanding(example(), "latency_p95_s < 0.3"), 1.0)
    assert service_usd(demanding(example(), "latency_p95_s < 0.3", "latency_p50_s < 0.03"), 1.0) >= one
