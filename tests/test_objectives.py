from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.objectives import FIGURES, Objective


@given(
    st.floats(0.001, 99.999),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.floats(1e-6, 1e6),
    st.sampled_from(["", " ", "  "]),
)
def test_percentiles_are_read_back_as_written(percent: float, operator: str, bound: float, gap: str) -> None:
    found = Objective.model_validate(f"{gap}latency_p{percent!r}_s{gap}{operator}{gap}{bound!r}")
    assert found.parts == (f"latency_p{percent!r}_s", operator, bound)
    assert found.quantile == pytest.approx(percent / 100)


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_may_be_demanded(figure: str) -> None:
    found = Objective.model_validate({"expect": f"{figure} < 0.5", "placement": "function", "phase": "drop"})
    assert found.parts == (figure, "<", 0.5)
    assert found.quantile is None
    assert (found.placement, found.phase) == ("function", "drop")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency_p95 < 1", "allowed are latency_pN_s"),
        ("latency_p100_s < 1", "above 0 and below 100"),
        ("latency_p0_s < 1", "above 0 and below 100"),
        ("latency_p-5_s < 1", "expected a figure"),
        ("latency_p95_s", "expected a figure, one of < <= > >= and a number"),
        ("latency_p95_s == 1", "expected a figure"),
        ("latency_p95_s < fast", "expected a figure"),
        ("latency_p95_s < nan", "expected a figure"),
        ("error_rate < 0", "does not depend on what is measured"),
        ("error_rate <= 1", "does not depend on what is measured"),
        ("error_rate < 5", "0 to 1"),
        ("latency_mean_s >= 0", "does not depend on what is measured"),
        ("memory_peak_bytes < -1", "does not depend on what is measured"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Objective.model_validate(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_operators_mean_what_they_say(operator: str, below: bool, at: bool, above: bool) -> None:
    objective = Objective.model_validate(f"latency_mean_s {operator} 2")
    assert [objective.satisfied_by(value) for value in (1, 2, 3)] == [below, at, above]
