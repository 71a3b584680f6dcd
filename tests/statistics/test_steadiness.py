"""Courses that are known are told, and white noise is seldom taken for one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.statistics import course

LAWS: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "lognormal, 5 %": lambda rng, n: rng.lognormal(0, 0.05, n),
    "lognormal, 50 %": lambda rng, n: rng.lognormal(0, 0.5, n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "heavy tails": lambda rng, n: np.exp(0.1 * rng.standard_t(3, n)),
}


@pytest.mark.parametrize("count", [12, 30, 60, 200])
@pytest.mark.parametrize("law", LAWS)
def test_white_noise_is_flat(law: str, count: int) -> None:
    rng = np.random.default_rng(41)
    trials = 600
    assert sum(course(LAWS[law](rng, count)).verdict != "flat" for _ in range(trials)) / trials < 0.05


@pytest.mark.parametrize(
    ("verdict", "shift", "at"), [("warm-up", 1.2, 10), ("slow-down", 1 / 1.2, 10), ("slow-down", 1 / 1.2, 35)]
)
def test_a_shift_of_20_percent_is_found_where_it_is(verdict: str, shift: float, at: int) -> None:
    rng = np.random.default_rng(43)
    trials, found = 400, 0
    for _ in range(trials):
        times = rng.lognormal(0, 0.05, 60)
        times[:at] *= shift
        told = course(times)
        found += told.verdict == verdict and abs(told.steady_from - at) <= 2
    assert found / trials > 0.95


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ([2, 1.5, 1, 1, 1, 1], "warm-up"),
        ([1, 1, 2, 2, 2, 2], "slow-down"),
        ([1, 1, 1, 1, 1, 2], "not steady"),
        ([2, 2, 2, 2, 2, 1], "not steady"),
        ([1, 1, 2, 1, 1, 1], "not steady"),
        ([2, 1, 1.5, 1.5, 1.5, 1.5], "not steady"),
        ([1.02, 1, 1, 1.01, 1, 1], "flat"),
    ],
)
def test_each_verdict(levels: list[float], verdict: str) -> None:
    noise = np.random.default_rng(47).lognormal(0, 0.01, 60)
    times = np.repeat(levels, 10) * noise
    told = course(times)
    assert told.verdict == verdict
    assert told.steady_from == told.starts[-1]
    assert told.levels == pytest.approx([levels[start // 10] for start in told.starts], rel=0.03)


def test_single_pauses_are_no_level() -> None:
    times = np.random.default_rng(53).lognormal(0, 0.05, 60)
    times[[0, 7, 30, 31, 59]] *= 10
    assert course(times).verdict == "flat"


def test_equal_times_and_rounded_times_are_flat() -> None:
    assert course(np.full(40, 0.25)) == course([0.25] * 40)
    assert course(np.full(40, 0.25)).levels == pytest.approx([0.25])
    times = np.full(40, 0.100)
    times[::3] = 0.101
    assert course(times).verdict == "flat"


def test_a_long_series_keeps_its_own_positions() -> None:
    times = np.random.default_rng(59).lognormal(0, 0.1, 20_001)
    times[:4000] *= 1.5
    told = course(times)
    assert told.verdict == "warm-up"
    assert abs(told.steady_from - 4000) <= 20


def test_too_few_and_bad_values() -> None:
    told = course([1.0] * 11)
    assert (told.verdict, told.steady_from, told.levels, told.starts) == ("too few", 0, (), ())
    assert course([]).verdict == "too few"
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="positive"):
            course([1.0] * 12 + [bad])


@given(st.lists(st.floats(1e-4, 1e2), min_size=12, max_size=80))
@settings(max_examples=60, deadline=None)
def test_starts_and_levels_fit_together(times: list[float]) -> None:
    told = course(times)
    assert told.starts[0] == 0
    assert len(told.starts) == len(told.levels)
    assert all(np.diff([*told.starts, len(times)]) >= 3)
    assert told.steady_from == told.starts[-1]
    assert (told.verdict == "flat") == (len(told.levels) == 1)
    assert all(min(times) * 0.999 <= level <= max(times) * 1.001 for level in told.levels)
