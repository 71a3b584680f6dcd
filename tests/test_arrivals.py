from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.arrivals import Burst, Drop, Poisson, Steady


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(rate_per_s=st.floats(0.5, 5000), duration_s=st.floats(0.5, 20))
def test_steady_gives_the_stated_rate_evenly(rate_per_s: float, duration_s: float) -> None:
    offsets_s = Steady(kind="steady", rate_per_s=rate_per_s, duration_s=duration_s).offsets_s(rng())
    assert len(offsets_s) == max(1, round(rate_per_s * duration_s))
    assert offsets_s[0] == 0
    assert np.allclose(np.diff(offsets_s), 1 / rate_per_s)


def test_poisson_gaps_are_exponential_and_the_seed_decides() -> None:
    process = Poisson(kind="poisson", rate_per_s=100, duration_s=100)
    offsets_s = process.offsets_s(rng())
    assert len(offsets_s) == pytest.approx(10_000, rel=0.05)
    assert stats.kstest(np.diff(offsets_s), "expon", args=(0, 0.01)).pvalue > 0.01
    assert np.array_equal(offsets_s, process.offsets_s(rng()))
    assert not np.array_equal(offsets_s, process.offsets_s(rng(8))[: len(offsets_s)])


@given(rate_per_s=st.floats(0.01, 1000), duration_s=st.floats(0.01, 10), seed=st.integers(0, 2**32))
def test_poisson_stays_within_its_duration_in_order(rate_per_s: float, duration_s: float, seed: int) -> None:
    offsets_s = Poisson(kind="poisson", rate_per_s=rate_per_s, duration_s=duration_s).offsets_s(rng(seed))
    assert np.all(offsets_s >= 0)
    assert np.all(offsets_s <= duration_s)
    assert np.all(np.diff(offsets_s) >= 0)


def test_burst_repeats_groups_and_a_drop_is_all_at_once() -> None:
    burst = Burst(kind="burst", items=3, bursts=2, every_s=5.0).offsets_s(rng())
    assert burst.tolist() == [0, 0, 0, 5, 5, 5]
    assert Drop(kind="drop", items=4).offsets_s(rng()).tolist() == [0, 0, 0, 0]
