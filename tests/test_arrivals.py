from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from harness.arrivals import Burst, Drop, Poisson, Steady


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(rate_per_s=st.floats(2, 5000), duration_s=st.floats(0.5, 20))
def test_steady_gives_the_stated_rate_evenly(rate_per_s: float, duration_s: float) -> None:
    offsets_s = Steady(kind="steady", rate_per_s=rate_per_s, duration_s=duration_s).offsets_s(rng())
    assert len(offsets_s) == round(rate_per_s * duration_s)
    assert offsets_s[0] == 0
    assert np.allclose(np.diff(offsets_s), 1 / rate_per_s)


def test_poisson_gaps_are_exponential_and_the_seed_decides() -> None:
    process = Poisson(kind="poisson", rate_per_s=100, duration_s=100)
    offsets_s = process.offsets_s(rng())
    assert len(offsets_s) == pytest.approx(10_000, rel=0.05)
    assert stats.kstest(np.diff(offsets_s), "expon", args=(0, 0.01)).pvalue > 0.01
    assert np.array_equal(offsets_s, process.offsets_s(rng()))
    assert not np.array_equal(offsets_s, process.offsets_s(rng(8))[: len(offsets_s)])


@given(rate_per_s=st.floats(100, 1000), duration_s=st.floats(0.01, 10), seed=st.integers(0, 2**32))
def test_poisson_stays_within_its_duration_in_order(rate_per_s: float, duration_s: float, seed: int) -> None:
    offsets_s = Poisson(kind="poisson", rate_per_s=rate_per_s, duration_s=duration_s).offsets_s(rng(seed))
    assert np.all(offsets_s >= 0)
    assert np.all(offsets_s <= duration_s)
    assert np.all(np.diff(offsets_s) >= 0)


def test_burst_repeats_groups_and_a_drop_is_all_at_once() -> None:
    burst = Burst(kind="burst", items=3, bursts=2, every_s=5.0).offsets_s(rng())
    assert burst.tolist() == [0, 0, 0, 5, 5, 5]
    assert Drop(kind="drop", items=4).offsets_s(rng()).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("process", "changes", "told"),
    [
        (Steady, {"rate_per_s": 0, "duration_s": 1}, "greater than 0"),
        (Steady, {"rate_per_s": 10, "duration_s": 0}, "greater than 0"),
        (Steady, {"rate_per_s": 1e6, "duration_s": 1}, "less than or equal to 10000"),
        (Steady, {"rate_per_s": 0.1, "duration_s": 1}, "gives 0.1 items; allowed are 1 to 10,000,000"),
        (Poisson, {"rate_per_s": 10_000, "duration_s": 86_400}, "gives 8.64e"),
        (Burst, {"items": 1_000_000, "bursts": 10_000}, "gives 1e"),
        (Drop, {"items": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_arrivals_are_refused_with_what_is_allowed(
    process: Any, changes: dict[str, float], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        process(kind=process.__name__.lower(), **changes)
