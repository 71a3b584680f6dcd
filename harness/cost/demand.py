"""One line of a month's bill: how much of what, at which price, with the sum written out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from harness.cost.book import Price
from harness.cost.curve import Curve
from harness.cost.quantity import Floored, Proportional, Quantity, Stepped, Summed
from harness.cost.terms import Terms
from harness.cost.tiers import Array, equation, in_words, number, tiered_usd

Label = Literal["priced on measured", "priced on modelled"]
MEASURED: Label = "priced on measured"
MODELLED: Label = "priced on modelled"


@dataclass(frozen=True, slots=True)
class Demand:
    """A part of a month's bill. `why` tells how the figures of its quantity come about, with its numbers.

    `common` parts (storage, the image) are the same whichever placement does the work.
    """

    part: str
    key: str
    quantity: Quantity
    why: str
    label: Label = MEASURED
    common: bool = False
    never_free: bool = False

    def price(self, terms: Terms) -> Price:
        """PriceError where the book has none."""
        return terms.book.entry(self.key)

    def over_items(self, terms: Terms) -> Curve:
        """US dollars a month over items a month."""
        return self.quantity.over_items().priced(self.price(terms), free=self._free(terms))

    def over_duration(self, terms: Terms, items: float) -> Curve:
        """US dollars a month over the duration of an item, as a multiple of what was measured."""
        return self.quantity.over_duration(items).priced(self.price(terms), free=self._free(terms))

    def units(self, items: float) -> float:
        """The quantity at so many items a month."""
        return float(self.quantity.over_items()(items))

    def usd(self, terms: Terms, units: ArrayLike) -> Array:
        """US dollars of so many units of a month."""
        return tiered_usd(units, self.price(terms), free=self._free(terms))

    def formula(self, terms: Terms, items: float) -> str:
        """Quantity and price with their numbers, for a pocket calculator."""
        price = self.price(terms)
        units = self.units(items)
        sums = in_words(units, price, free=self._free(terms))
        return f"{equation(words(self.quantity, items), units, price.unit)} ({self.why}); {sums}"

    def _free(self, terms: Terms) -> bool:
        return terms.free_tier and not self.never_free


def words(quantity: Quantity, items: float) -> str:
    """The quantity at so many items, as a sum."""
    match quantity:
        case Proportional(each, timed, fixed):
            slope = each + timed
            told = [number(items) if slope == 1 else f"{number(items)} x {number(slope)}"] if slope else []
            return " + ".join([*told, *([number(fixed)] if fixed or not told else [])])
        case Stepped(height, capacity, least):
            steps = math.ceil(items / capacity)
            counted = f"{number(items)} / {number(capacity)}, rounded up to {steps:,}"
            return f"{max(steps, least):,} ({counted}, at least {least}) x {number(height)}"
        case Floored(timed, floor, collections):
            gathered = number(min(items, collections))
            return f"the greater of {number(items)} x {number(timed)} and {gathered} x {number(floor)}"
        case Summed(parts):
            return " + ".join(words(part, items) for part in parts)
        case _:
            raise TypeError(f"no words for {quantity!r}")
