"""Verdicts on runs made apart against known truths: coverage, false alarms, and a true 10 % that is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.analysis.comparison import NO_DIFFERENCE
from harness.comparing.figures import BY_NAME
from harness.comparing.ratios import IMPROVEMENT, REGRESSION, ratios
from tests.comparing.trial import a_run, mixes

TRIALS = 100
BLOCKS, ITEMS = 20, 24
LATENCY = [BY_NAME["latency_p50_s"]]
# What the second run is: as fast, 10 % slower, and 10 % slower on other items of the same corpus.
EQUAL, SLOWER, MIXED = "equal", "slower", "mixed"


@pytest.fixture(scope="module")
def found() -> dict[str, pd.DataFrame]:
    """By kind of second run, one row a trial: what was said of its median latency."""
    rows: dict[str, list[pd.Series]] = {EQUAL: [], SLOWER: [], MIXED: []}
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        items = mixes(rng, BLOCKS, ITEMS)
        base = a_run(rng, items)
        others = {
            EQUAL: a_run(rng, items),
            SLOWER: a_run(rng, items, factor=1.1),
            MIXED: a_run(rng, mixes(rng, BLOCKS, ITEMS), factor=1.1),
        }
        for kind, other in others.items():
            rows[kind].append(ratios(base, other, LATENCY).iloc[0])
    return {kind: pd.DataFrame(each) for kind, each in rows.items()}


def covered(table: pd.DataFrame, truth: float) -> float:
    return float(((table["ratio_low"] <= truth) & (truth <= table["ratio_high"])).mean())


def regressions(table: pd.DataFrame) -> float:
    return float((table["verdict"] == REGRESSION).mean())


def test_the_interval_covers_the_true_ratio_whether_blocks_are_paired_or_not(
    found: dict[str, pd.DataFrame],
) -> None:
    """Of 200 trials at 95 % two standard deviations are 3 points; tests/statistics has trials by the thousand."""
    assert found[EQUAL]["paired"].all()
    assert found[SLOWER]["paired"].all()
    assert not found[MIXED]["paired"].any()
    assert 0.92 <= (covered(found[EQUAL], 1.0) + covered(found[SLOWER], 1.1)) / 2 <= 0.99
    assert covered(found[MIXED], 1.1) >= 0.92


def test_identical_runs_are_seldom_told_apart(found: dict[str, pd.DataFrame]) -> None:
    assert (found[EQUAL]["verdict"] != NO_DIFFERENCE).mean() <= 0.05


def test_a_true_10_percent_is_found(found: dict[str, pd.DataFrame]) -> None:
    assert regressions(found[SLOWER]) >= 0.9
    assert not (found[SLOWER]["verdict"] == IMPROVEMENT).any()


def test_pairing_takes_the_mix_of_items_out_of_the_interval(found: dict[str, pd.DataFrame]) -> None:
    width = {
        kind: float(np.median(np.log(table["ratio_high"] / table["ratio_low"])))
        for kind, table in found.items()
    }
    assert width[SLOWER] < width[MIXED] / 2
    assert regressions(found[MIXED]) < regressions(found[SLOWER])


def test_an_arm_of_its_own_speed_does_not_hide_behind_the_floor_of_one_run() -> None:
    """Without an A/A arm in one of the runs nothing is claimed, however large it is."""
    rng = np.random.default_rng(3)
    items = mixes(rng, BLOCKS, ITEMS)
    with_floor, without = a_run(rng, items), a_run(rng, items, factor=2.0, aa=False)
    row = ratios(with_floor, without, LATENCY).iloc[0]
    assert row["ratio_low"] > 1.5
    assert (row["verdict"], "noise floor" in row["reason"]) == (NO_DIFFERENCE, True)
    assert ratios(with_floor, a_run(rng, items, factor=2.0), LATENCY).iloc[0]["verdict"] == REGRESSION
