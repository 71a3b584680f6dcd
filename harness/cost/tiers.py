"""What so many units of a month cost: a price may fall in tiers, and the first units may be free."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.cost.book import Price

Array = NDArray[np.float64]


def tiered_usd(units: ArrayLike, price: Price, *, free: bool) -> Array:
    """US dollars of `units` (any shape, 0 or more, of one month).

    With `free` the first `free_per_month` units cost nothing; tiers are counted from the first unit all the same.
    """
    amount = np.asarray(units, dtype=np.float64)
    whole = _usd(amount, price)
    return whole - _usd(np.minimum(amount, float(price.free_per_month)), price) if free else whole


def marginal_usd(units: ArrayLike, price: Price, *, free: bool) -> Array:
    """US dollars of one unit more, after so many."""
    amount = np.asarray(units, dtype=np.float64)
    starts, usd = _tiers(price)
    found = usd[np.clip(np.searchsorted(starts, amount, side="right") - 1, 0, None)]
    return np.where(amount < float(price.free_per_month), 0.0, found) if free else found


def bounds(price: Price, *, free: bool) -> Array:
    """The units at which one unit more begins to cost something else."""
    starts, _ = _tiers(price)
    return np.unique([*starts[1:], *([float(price.free_per_month)] if free and price.free_per_month else [])])


def in_words(units: float, price: Price, *, free: bool) -> str:
    """The sum that a pocket calculator does: `1,234.5 x 0.0000166667`, tier by tier."""
    edges = np.array([0.0, *bounds(price, free=free), np.inf])
    told = []
    for low, high in pairwise(edges):
        if units > low or low == 0:
            usd = float(marginal_usd(low, price, free=free))
            told.append(f"{number(min(units, high) - low)} x {_decimal(usd)}")
    return " + ".join(told)


def number(value: float) -> str:
    """All digits that matter to a calculator: whole numbers whole, else seven significant digits."""
    if value == round(value) or abs(value) >= 1e9:
        return f"{value:,.0f}"
    places = max(0, 6 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def amount(value: float, unit: str) -> str:
    """A number with its unit: 8.08 GB, 384 requests."""
    return f"{number(value)} {unit if unit == 'GB' or value == 1 else unit + 's'}"


def equation(how: str, value: float, unit: str) -> str:
    """`2 x 730 h = 1,460 hours`; what is its own sum is told once."""
    total = amount(value, unit)
    return total if how in {total, number(value)} else f"{how} = {total}"


def _decimal(usd: float) -> str:
    return f"{usd:.12f}".rstrip("0").rstrip(".") or "0"


def _tiers(price: Price) -> tuple[Array, Array]:
    starts = np.array([float(tier.from_units) for tier in price.tiers])
    return starts, np.array([float(tier.usd) for tier in price.tiers])


def _usd(units: Array, price: Price) -> Array:
    starts, usd = _tiers(price)
    ends = np.append(starts[1:], np.inf)
    return np.asarray(sum(each * np.clip(np.minimum(units, end) - start, 0.0, None)
                          for start, end, each in zip(starts, ends, usd, strict=True)))  # fmt: skip
