"""Verdicts on runs made apart against known truths: coverage, false alarms, and a true 10 % that is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.analysis.comparison import NO_DIFFERENCE
from harness.comparing.figures import BY_NAME
from harness.comparing.ratios import IMPROVEMENT, REGRESSION, ratios
from tests.comparing.trial import a_run, mixes

TRIALS = 120
BLOCKS, ITEMS = 20, 16
LATENCY = [BY_NAME["latency_p50_s"]]


def trials(factor: float, *, same_items: bool) -> pd.DataFrame:
    """One row a trial: the ratio of the medians of two runs, the second slower by `factor`."""
    rows = []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        first = mixes(rng, BLOCKS, ITEMS)
        second = first if same_items else mixes(rng, BLOCKS, ITEMS)
        base, other = a_run(rng, first), a_run(rng, second, factor=factor)
        rows.append(ratios(base, other, LATENCY).iloc[0])
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def slower() -> pd.DataFrame:
    return trials(1.1, same_items=True)


@pytest.fixture(scope="module")
def slower_mixed() -> pd.DataFrame:
    return trials(1.1, same_items=False)


@pytest.fixture(scope="module")
def equal() -> pd.DataFrame:
    return trials(1.0, same_items=True)


def covered(table: pd.DataFrame, truth: float) -> float:
    return float(((table["ratio_low"] <= truth) & (truth <= table["ratio_high"])).mean())


def test_the_interval_covers_the_true_ratio_whether_blocks_are_paired_or_not(
    equal: pd.DataFrame, slower: pd.DataFrame, slower_mixed: pd.DataFrame
) -> None:
    assert equal["paired"].all()
    assert slower["paired"].all()
    assert not slower_mixed["paired"].any()
    # Of 240 trials at 95 % two standard deviations are 2.8 points, of 120 they are 4.
    assert 0.92 <= (covered(equal, 1.0) + covered(slower, 1.1)) / 2 <= 0.98
    assert 0.91 <= covered(slower_mixed, 1.1) <= 0.995


def test_identical_runs_are_seldom_told_apart(equal: pd.DataFrame) -> None:
    assert (equal["verdict"] != NO_DIFFERENCE).mean() <= 0.05


def test_a_true_10_percent_is_found(slower: pd.DataFrame) -> None:
    assert (slower["verdict"] == REGRESSION).mean() >= 0.9
    assert not (slower["verdict"] == IMPROVEMENT).any()


def test_pairing_takes_the_mix_of_items_out_of_the_interval(
    slower: pd.DataFrame, slower_mixed: pd.DataFrame
) -> None:
    width = [np.log(table["ratio_high"] / table["ratio_low"]).median() for table in (slower, slower_mixed)]
    assert width[0] < width[1] / 2
    assert (slower_mixed["verdict"] == REGRESSION).mean() < (slower["verdict"] == REGRESSION).mean()


def test_an_arm_of_its_own_speed_does_not_hide_behind_the_floor_of_one_run() -> None:
    """Without an A/A arm in one of the runs nothing is claimed, however large it is."""
    rng = np.random.default_rng(3)
    items = mixes(rng, BLOCKS, ITEMS)
    with_floor, without = a_run(rng, items), a_run(rng, items, factor=2.0, aa=False)
    row = ratios(with_floor, without, LATENCY).iloc[0]
    assert row["ratio_low"] > 1.5
    assert (row["verdict"], "noise floor" in row["reason"]) == (NO_DIFFERENCE, True)
    assert ratios(with_floor, a_run(rng, items, factor=2.0), LATENCY).iloc[0]["verdict"] == REGRESSION
