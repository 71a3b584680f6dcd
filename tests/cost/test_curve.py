"""Tiers and curves: continuous, never falling, and crossing exactly where both cost the same."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.cost.book import Price, Tier, load_book
from harness.cost.curve import Curve, at_least, crossings, floored, levels, line, stairs, total
from harness.cost.tiers import bounds, in_words, tiered_usd

BOOK = load_book()
units = st.floats(0, 1e11)


def a_price(starts: list[int], usd: list[float], free: int) -> Price:
    tiers = tuple(Tier(Decimal(start), Decimal(str(each))) for start, each in zip(starts, usd, strict=True))
    return Price("k", "unit", tiers, Decimal(free), "S", "u", "made up", None, "2026-11-24", "verified")


@st.composite
def prices(draw: st.DrawFn) -> Price:
    starts = sorted(draw(st.sets(st.integers(1, 1000), max_size=3)))
    usd = draw(st.lists(st.floats(0.001, 10), min_size=len(starts) + 1, max_size=len(starts) + 1))
    return a_price([0, *starts], [round(each, 4) for each in usd], draw(st.integers(0, 500)))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    kind = draw(st.sampled_from(["line", "stairs", "floored", "least"]))
    a, b, c = (draw(st.floats(0.01, 100)) for _ in range(3))
    made = {
        "line": line(a, b),
        "stairs": stairs(a, b, int(c)),
        "floored": floored(a, b, c),
        "least": at_least(a, b),
    }
    return made[kind].priced(draw(prices()), free=draw(st.booleans()))


@given(prices(), st.floats(0, 3000), st.floats(0, 3000), st.booleans())
def test_more_units_cost_no_less(price: Price, one: float, two: float, free: bool) -> None:
    low, high = tiered_usd(sorted([one, two]), price, free=free)
    assert 0 <= low <= high + 1e-9


@given(prices(), units)
def test_the_free_tier_saves_and_never_pays(price: Price, many: float) -> None:
    without, with_free = (float(tiered_usd(many, price, free=free)) for free in (False, True))
    assert 0 <= with_free <= without
    if many <= float(price.free_per_month):
        assert with_free == 0


@given(prices(), st.booleans())
def test_tiers_are_continuous(price: Price, free: bool) -> None:
    for edge in bounds(price, free=free):
        before, after = tiered_usd([edge * (1 - 1e-12), edge * (1 + 1e-12)], price, free=free)
        assert after - before < 1e-6


@given(prices(), st.floats(0, 3000), st.booleans())
def test_the_sum_in_words_is_the_price(price: Price, many: float, free: bool) -> None:
    text = in_words(many, price, free=free).replace(",", "").replace("x", "*")
    assert eval(text) == pytest.approx(float(tiered_usd(many, price, free=free)), rel=1e-5, abs=1e-9)


@given(st.floats(0.2, 100), st.floats(0.01, 10), st.integers(0, 9), st.floats(0.01, 500))
def test_stairs(width: float, height: float, least: int, x: float) -> None:
    steps = x / width
    assume(abs(steps - round(steps)) > 1e-9)
    assert float(stairs(width, height, least)(x)) == pytest.approx(height * max(least, int(np.ceil(steps))))


def test_a_task_is_full_before_the_next_one_is_needed() -> None:
    curve = stairs(10.0, 3.0, 1)
    assert list(curve([1, 10, 10.001, 20, 21])) == [3, 3, 6, 6, 9]


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(1, 100), st.floats(0, 1000))
def test_a_least_charge(slope: float, floor: float, until: float, x: float) -> None:
    expected = max(slope * x, floor * min(x, until))
    assert float(floored(slope, floor, until)(x)) == pytest.approx(expected, rel=1e-9)


@given(prices(), st.floats(0.1, 20), st.integers(0, 3), st.floats(0.01, 300), st.booleans())
def test_a_priced_curve_is_the_price_of_the_curve(
    price: Price, width: float, least: int, x: float, free: bool
) -> None:
    for quantity in (stairs(width, 7.0, least), line(3.0, width)):
        steps = x / width
        assume(abs(steps - round(steps)) > 1e-9)
        expected = float(tiered_usd(quantity(x), price, free=free))
        assert float(quantity.priced(price, free=free)(x)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.lists(curves(), min_size=1, max_size=4), st.floats(0.1, 100))
def test_a_total_is_the_sum(parts: list[Curve], x: float) -> None:
    assert float(total(parts)(x)) == pytest.approx(sum(float(part(x)) for part in parts), rel=1e-9, abs=1e-9)


@given(curves(), st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_a_curve_never_falls(curve: Curve, one: float, two: float) -> None:
    low, high = curve(sorted([one, two]))
    assert low <= high + 1e-9 * (1 + abs(high))


@given(curves(), curves())
def test_both_cost_the_same_where_they_cross_or_one_steps_there(first: Curve, second: Curve) -> None:
    for each in crossings(first, second, 0.1, 500):
        a, b = float(first(each.at)), float(second(each.at))
        if each.equal:
            assert abs(a - b) < 0.01, "to the cent"
        else:
            jump = float(first.after(each.at) - a), float(second.after(each.at) - b)
            assert max(jump) > 0, "where they are not equal, one of them steps"
            assert (a < b) != (first.after(each.at) < second.after(each.at))


@given(curves(), curves(), st.integers(0, 2**32 - 1))
def test_between_crossings_the_cheaper_one_stays(first: Curve, second: Curve, seed: int) -> None:
    found = crossings(first, second, 0.1, 500)
    edges = [0.1, *(each.at for each in found), 500.0]
    rng = np.random.default_rng(seed)
    for low, high in pairwise(edges):
        at = rng.uniform(low, high, 20)
        at = at[(at > low * (1 + 1e-9) + 1e-9) & (at < high * (1 - 1e-9) - 1e-9)]
        difference = first(at) - second(at)
        assert not ((difference > 1e-6).any() and (difference < -1e-6).any())


def test_sawteeth_cross_more_than_once() -> None:
    """A line that runs through the steps of another: cheaper, dearer, cheaper ..."""
    found = crossings(
        line(0.0, 1.0), stairs(10.0, 10.0, 1).priced(a_price([0], [0.95], 0), free=False), 1, 35
    )
    assert [round(each.at, 6) for each in found] == [9.5, 10.0, 19.0, 20.0, 28.5, 30.0]
    assert [each.equal for each in found] == [True, False] * 3
    assert [each.first_is_lower_after for each in found] == [False, True] * 3


def test_equal_curves_do_not_cross() -> None:
    assert crossings(line(1, 2), line(1, 2), 1, 100) == []
    assert crossings(levels([0, 5], [1, 2]), levels([0, 5], [1, 2]), 1, 100) == []


def test_lambda_s_own_tiers_are_priced_exactly() -> None:
    price = BOOK.entry("lambda_gb_second_x86")
    curve = line(0, 1).priced(price, free=True)
    at = np.array([1.0, 400_000, 500_000, 6e9, 7e9, 15e9, 20e9])
    np.testing.assert_allclose(curve(at), tiered_usd(at, price, free=True), rtol=1e-12)
