from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.benchmarks.regressions import compare


def saved(median_s: float, spread: float = 0.01, rounds: int = 20) -> dict[str, Any]:
    data = (median_s * np.random.default_rng(1).normal(1, spread, rounds)).tolist()
    return {"benchmarks": [{"fullname": "a::b", "stats": {"data": data, "median": float(np.median(data))}}]}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (saved(1.0), saved(1.3), "slower"),
        (saved(1.0), saved(0.7), "faster"),
        (saved(1.0), saved(1.05), "no difference shown"),
        (saved(1.0, spread=0.5), saved(1.3, spread=0.5), "no difference shown"),
        (saved(1.0, rounds=3), saved(2.0, rounds=3), "too few rounds"),
    ],
)
def test_only_what_exceeds_noise_is_named(
    before: dict[str, Any], after: dict[str, Any], verdict: str
) -> None:
    (change,) = compare(before, after)
    assert change.verdict == verdict


def test_new_benchmarks_have_nothing_to_be_compared_with() -> None:
    assert compare({"benchmarks": []}, saved(1.0)) == []
