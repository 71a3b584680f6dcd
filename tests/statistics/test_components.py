"""Variance components are found where they are known, and the plans made of them reach what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import (
    MIN_BLOCKS_FOR_CLAIM,
    Components,
    best_items_per_block,
    blocks_for_precision,
    paired_ratio,
    variance_components,
)


@pytest.mark.parametrize(
    "sizes", [[30] * 12, [5, 10, 20, 40, 80, 3, 2, 15, 30, 60, 9, 7]], ids=["even", "uneven"]
)
@pytest.mark.parametrize("between", [0.01, 0.25])
def test_components_are_right_on_average(sizes: list[int], between: float) -> None:
    rng = np.random.default_rng(31)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = []
    for _ in range(1500):
        luck = rng.normal(0, math.sqrt(between), len(sizes))[labels]
        one = variance_components(np.exp(luck + rng.normal(0, 0.3, labels.size)), labels)
        assert one is not None
        found.append((one.within, one.between))
    within, measured = np.mean(found, axis=0)
    assert within == pytest.approx(0.09, rel=0.02)
    # The floor at 0 lifts the average where blocks hardly differ.
    assert measured == pytest.approx(between, rel=0.06 if between > 0.1 else 0.15)


def test_without_the_correction_requests_would_pass_for_luck() -> None:
    rng = np.random.default_rng(33)
    labels = np.repeat(np.arange(200), 4)
    values = rng.lognormal(0, 0.5, labels.size)
    found = variance_components(values, labels)
    assert found is not None
    assert np.log(values).reshape(200, 4).mean(axis=1).var() > 0.04
    assert found.between < 0.02


def test_components_by_hand() -> None:
    found = variance_components(np.exp([0.0, 2.0, 4.0, 6.0, 8.0, 5.0]), [7, 7, 9, 9, 9, 11])
    assert found is not None
    assert found.within == pytest.approx((2 + 8) / 3)
    assert found.per_block == pytest.approx(2 / (1 / 2 + 1 / 3))
    assert found.between == pytest.approx(12.5 - found.within / found.per_block)
    assert found.blocks == 2


def test_components_take_two_blocks_of_two_positive_values() -> None:
    assert variance_components([], np.zeros(0, dtype=int)) is None
    assert variance_components([1.0, 2.0, 3.0], [0, 0, 1]) is None
    assert variance_components([1.0, 2.0, 3.0, 0.0], [0, 0, 1, 1]) is None
    assert variance_components([1.0, 2.0, 3.0, math.nan], [0, 0, 1, 1]) is None
    flat = variance_components([2.0] * 4, [0, 0, 1, 1])
    assert flat == Components(0.0, 0.0, 2, 2.0)


@given(st.floats(0.1, 1e3), st.lists(st.floats(1e-3, 1e3), min_size=8, max_size=40))
def test_components_know_no_unit(factor: float, values: list[float]) -> None:
    labels = np.arange(len(values)) % 4
    here = variance_components(values, labels)
    there = variance_components(factor * np.asarray(values), labels)
    assert here is not None
    assert there is not None
    assert (there.within, there.between) == pytest.approx((here.within, here.between), abs=1e-7)


@pytest.mark.parametrize("between", [0.01, 0.04])
def test_best_items_per_block_makes_the_most_of_the_time(between: float) -> None:
    components = Components(within=0.25, between=between, blocks=10, per_block=20)

    def variance_for_a_second(items: int) -> float:
        return (components.between + components.within / items) * (30 + items * 0.5)

    best = best_items_per_block(components, block_cost_s=30, item_cost_s=0.5)
    around = [variance_for_a_second(items) for items in range(1, 500)]
    assert variance_for_a_second(best) <= 1.01 * min(around)


def test_best_items_per_block_stays_in_its_range() -> None:
    assert best_items_per_block(Components(0.1, 0.0, 10, 20), 1, 1) == 100_000
    assert best_items_per_block(Components(1.0, 1e-15, 10, 20), 100, 1) == 100_000
    assert best_items_per_block(Components(0.0, 0.1, 10, 20), 1, 1) == 1
    assert best_items_per_block(Components(0.1, 0.1, 10, 20), 0, 1) == 1
    with pytest.raises(ValueError, match="item"):
        best_items_per_block(Components(0.1, 0.1, 10, 20), 1, 0)


@pytest.mark.parametrize("spread", [0.15, 0.3])
def test_planned_blocks_reach_the_precision(spread: float) -> None:
    """In most plans: the pilot's spread is taken at a bound that the true one exceeds in 20 % of pilots."""
    rng = np.random.default_rng(37)
    reached, plans = 0, 100
    for _ in range(plans):
        blocks = blocks_for_precision(rng.normal(0, spread, 8), 0.1)
        halves = []
        for trial in range(5):
            found = paired_ratio(rng.lognormal(0, spread, blocks), np.ones(blocks), trial, resamples=300)
            assert found is not None
            halves.append(math.log(found.high / found.low) / 2)
        reached += float(np.mean(halves)) <= math.log1p(0.1)
    assert 0.68 <= reached / plans <= 0.95


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20), st.floats(0.01, 0.5))
def test_more_precision_never_takes_fewer_blocks(logs: list[float], precision: float) -> None:
    blocks = blocks_for_precision(logs, precision)
    assert blocks >= MIN_BLOCKS_FOR_CLAIM
    assert blocks_for_precision(logs, precision / 2) >= blocks
    assert blocks_for_precision([2 * log for log in logs], precision) >= blocks


def test_planned_blocks_are_at_least_what_a_claim_takes() -> None:
    assert blocks_for_precision([0.1, 0.1, 0.1], 0.05) == MIN_BLOCKS_FOR_CLAIM
    for precision in (0, 1, math.nan):
        with pytest.raises(ValueError, match="precision"):
            blocks_for_precision([0.1, 0.2, 0.3], precision)
    with pytest.raises(ValueError, match="at least 3"):
        blocks_for_precision([0.1, 0.2, math.nan], 0.05)
