"""What is told of prices: that they are old, or the scenario's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from harness.cost.notices import price_notices
from tests.cost.made import BOOK

DAY = date.fromisoformat(BOOK.date)


def test_a_book_that_is_old_is_told() -> None:
    assert price_notices(BOOK, DAY) == []
    (told,) = price_notices(BOOK, DAY + timedelta(days=181))
    assert "181 days ago: older than 180 days" in told


def test_a_young_book_with_prices_that_a_refresh_kept_is_told() -> None:
    old = (DAY - timedelta(days=400)).isoformat()
    kept = {
        key: replace(each, retrieved=old) for key, each in BOOK.prices.items() if key.startswith("ec2_c6i")
    }
    book = replace(BOOK, prices=MappingProxyType({**BOOK.prices, **kept}))
    (told,) = price_notices(book, DAY)
    assert told.startswith(f"{len(kept)} prices of the book of us-east-1 (ec2_c6i_large and the like)")
    assert f"kept from {old}, more than 180 days ago" in told


def test_prices_of_the_scenario_are_told() -> None:
    (told,) = price_notices(BOOK.with_overrides({"nat_hour": "0.05"}), DAY)
    assert told == "The scenario sets prices of its own, in place of AWS's: nat_hour $0.05."
