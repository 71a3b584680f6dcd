"""Target tracking and burst credits: pure, told of times and readings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as some

from harness.placements.service.burst import BurstCredits
from harness.placements.service.scaling import Decision, TargetTracking
from harness.scenario.service import ScalingSettings

MINUTE_S = 60.0
CPU = ScalingSettings(metric="cpu", target=0.5, min_tasks=1, max_tasks=20)


def play(
    tracking: TargetTracking, readings: Sequence[float | None], desired: int
) -> list[tuple[int, Decision]]:
    """Decisions with the minute in which they fell; each is carried out at once."""
    decided = []
    for minute, value in enumerate(readings, start=1):
        decision = tracking.observe(minute * MINUTE_S, value, desired)
        if decision is not None:
            decided.append((minute, decision))
            desired = decision.after
    return decided


def test_out_after_three_minutes_in_after_fifteen() -> None:
    (out,) = play(TargetTracking(CPU), [0.9, 0.9, 0.9], 4)
    assert (out[0], out[1].direction, out[1].before, out[1].after) == (3, "out", 4, 8)
    ((minute, decision),) = play(TargetTracking(CPU), [0.2] * 15, 4)
    assert (minute, decision.direction, decision.after) == (15, "in", 2)


def test_a_reading_within_the_band_breaks_the_row() -> None:
    assert play(TargetTracking(CPU), [0.9, 0.9, 0.48, 0.9, 0.9], 4) == []
    assert play(TargetTracking(CPU), [0.2] * 14 + [0.46] + [0.2] * 14, 4) == []
    assert play(TargetTracking(CPU), [0.9, 0.9, None, 0.9, 0.9], 4) == []


def test_what_was_just_added_counts_towards_the_next_step_out() -> None:
    decided = play(TargetTracking(CPU), [0.6] * 3 + [0.9] * 3, 4)
    # From 4 to 5 at first; in the cooldown the step is reckoned from the same 4, and so to 8 and not to 9.
    assert [(minute, each.after) for minute, each in decided] == [(3, 5), (6, 8)]


def test_a_step_in_waits_for_its_cooldown_and_a_step_out_does_not() -> None:
    slow = CPU.model_copy(update={"in_cooldown_s": 40 * MINUTE_S})
    decided = play(TargetTracking(slow), [0.3] * 15 + [0.3] * 20 + [0.9] * 3, 10)
    assert [(minute, each.direction) for minute, each in decided] == [(15, "in"), (38, "out")]


def test_after_a_step_in_the_next_step_out_is_reckoned_from_what_is_left() -> None:
    patient = CPU.model_copy(update={"out_cooldown_s": 900.0, "in_periods": 5})
    decided = play(TargetTracking(patient), [0.9] * 3 + [0.1] * 5 + [0.9] * 3, 10)
    assert [(each.before, each.after) for _, each in decided] == [(10, 18), (18, 4), (4, 8)]


def test_a_step_out_ends_the_cooldown_of_steps_in() -> None:
    slow = CPU.model_copy(update={"in_cooldown_s": 60 * MINUTE_S})
    decided = play(TargetTracking(slow), [0.3] * 15 + [0.9] * 3 + [0.3] * 15, 10)
    assert [(minute, each.direction) for minute, each in decided] == [(15, "in"), (18, "out"), (33, "in")]


def test_what_a_reading_is_rounded_by_adds_no_task() -> None:
    lower = CPU.model_copy(update={"target": 0.1})
    ((_, decision),) = play(TargetTracking(lower), [0.1 + 0.2] * 3, 1)
    assert decision.after == 3


def test_a_step_in_that_is_not_allowed_is_put_off_and_begins_no_cooldown() -> None:
    tracking = TargetTracking(CPU)
    during = [tracking.observe(minute * MINUTE_S, 0.2, 10, may_go_in=False) for minute in range(30)]
    assert during == [None] * 30
    decision = tracking.observe(30 * MINUTE_S, 0.2, 10)
    assert decision is not None
    assert (decision.direction, decision.after) == ("in", 4)


@given(some.lists(some.floats(0, 1), max_size=200), some.integers(2, 9))
def test_it_stays_within_its_bounds_and_moves_towards_the_target(values: list[float], desired: int) -> None:
    bounded = ScalingSettings(metric="cpu", target=0.5, min_tasks=2, max_tasks=9)
    for _, decision in play(TargetTracking(bounded), list(values), desired):
        assert 2 <= decision.after <= 9
        assert (decision.after > decision.before) == (decision.value > 0.5) == (decision.direction == "out")
        wanted = math.ceil(decision.before * decision.value / 0.5)
        assert decision.after <= max(wanted, 2) or decision.direction == "in"


@given(some.lists(some.floats(0, 0.5), max_size=50))
def test_readings_below_the_target_never_add_tasks(values: list[float]) -> None:
    low = ScalingSettings(metric="cpu", target=0.5, max_tasks=9)
    assert all(each.direction == "in" for _, each in play(TargetTracking(low), list(values), 5))


def test_an_instance_bursts_until_its_credits_are_spent_and_then_has_its_baseline() -> None:
    credits = BurstCredits(full_vcpu=2.0, baseline_vcpu=0.1, balance_vcpu_s=18.5, most_vcpu_s=100.0)
    assert [credits.spend(2.0, 1.0) for _ in range(10)] == [2.0] * 9 + [0.1]
    assert credits.spend(0.1, 1.0) == 0.1, "at its baseline it saves nothing"
    assert credits.spend(0.0, 1.0) == 0.1, "what it used too much it owes first"
    assert credits.spend(0.0, 40.0) == 0.1, (
        "a period of all its vCPUs has to be saved before it may have them"
    )
    assert credits.spend(0.0, 1.0) == 2.0


def test_a_baseline_beyond_the_containers_own_limit_does_not_raise_it() -> None:
    assert BurstCredits(0.5, 1.6, 0.0, 0.0).spend(0.5, 1.0) == 0.5


@given(
    wanted=some.lists(some.floats(0, 4), min_size=1, max_size=300),
    start=some.floats(0, 20),
    period_s=some.floats(0.05, 1.0),
)
def test_no_load_gets_more_than_was_saved_and_the_baseline(
    wanted: list[float], start: float, period_s: float
) -> None:
    """In a closed loop: whatever is wanted, no more is used than what is allowed at the time."""
    credits, allowed, used_vcpu_s = BurstCredits(2.0, 0.4, start, 50.0), 2.0, 0.0
    for vcpu in wanted:
        used = min(vcpu, allowed) * period_s
        used_vcpu_s += used
        allowed = credits.spend(used, period_s)
        assert allowed in {2.0, 0.4}
    elapsed_s = len(wanted) * period_s
    assert used_vcpu_s <= start + 0.4 * elapsed_s + 2.0 * period_s + 1e-6
