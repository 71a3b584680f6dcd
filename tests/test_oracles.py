"""The verdicts against known truths: identical arms are seldom told apart, and a real 10 % difference is found.

Every trial goes the whole way, on virtual time: driver, fake placement, attempt rows, comparison. Blocks have luck that
all arms share (20 %), each arm of a block has luck of its own (3 %), each request too (8 %), and items differ in size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.analysis import compare
from harness.analysis.comparison import LATENCY, NO_DIFFERENCE
from harness.clock import LoopClock
from harness.driver import Driver
from harness.pacer import LoopPacer
from harness.placements.fake import FakePlacement
from harness.runs import Run
from tests import virtual
from tests.fakes import NO_LIMIT, Ledger, a_bench, a_phase

TRIALS = 200
BLOCKS = 20
ITEMS = 16
# Arm: what it is the duplicate of, and how much slower than the first it truly is.
ARMS = {"first": (None, 1.0), "first-aa": ("first", 1.0), "twin": (None, 1.0), "slower": (None, 1.1)}
SIZES, SHARED_LUCK, OWN_LUCK, REQUEST = 0.5, 0.2, 0.03, 0.08


def a_trial(seed: int) -> Run:
    """BLOCKS blocks of all ARMS, in a shuffled order."""
    rng = np.random.default_rng(seed)
    ledger = Ledger()

    async def main() -> None:
        clock = LoopClock()
        driver = Driver(clock, LoopPacer(clock), NO_LIMIT)
        for block in range(BLOCKS):
            sizes = rng.lognormal(rng.normal(-3, SHARED_LUCK), SIZES, ITEMS)
            for arm in rng.permutation(list(ARMS)):
                took_s = sizes * ARMS[arm][1] * rng.lognormal(rng.normal(0, OWN_LUCK), REQUEST, ITEMS)
                placement = FakePlacement(
                    a_bench(ledger, clock, block, arm), iter(took_s.tolist()).__next__, servers=ITEMS
                )
                await driver.drive(a_phase(np.zeros(ITEMS), "drop"), placement, lambda work: None)

    virtual.run(main())
    arms = {arm: {"placement": "fake", "duplicate_of": original} for arm, (original, _) in ARMS.items()}
    phases = [{"name": "drop"}]
    attempts = ledger.frame().astype({"arm": "category", "phase": "category", "outcome": "category"})
    empty = pd.DataFrame(
        columns=["block", "arm", "container", "phase", "kind", "detail", "duration_s", "cpu_s"]
    )
    manifest = {"arms": arms, "scenario": {"phases": phases}, "seed": seed}
    return Run(Path(), manifest, attempts, samples=empty, events=empty)


@pytest.fixture(scope="module")
def verdicts() -> pd.DataFrame:
    """One row a trial, one column an arm: what was said of its median latency."""

    def all_trials() -> Iterator[pd.Series]:
        for seed in range(TRIALS):
            table = compare(a_trial(seed))
            yield table[table["metric"] == LATENCY.name].set_index("arm")["verdict"]

    return pd.DataFrame(list(all_trials()))


def test_identical_arms_differ_in_at_most_5_percent_of_trials(verdicts: pd.DataFrame) -> None:
    assert len(verdicts) == TRIALS
    assert (verdicts["twin"] != NO_DIFFERENCE).mean() <= 0.05
    assert (verdicts["first-aa"] != NO_DIFFERENCE).mean() <= 0.05


def test_a_real_difference_of_10_percent_is_found_in_90_percent_of_trials(verdicts: pd.DataFrame) -> None:
    assert (verdicts["slower"] == "slower").mean() >= 0.90
    assert not (verdicts["slower"] == "faster").any()
