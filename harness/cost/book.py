"""The price book: one dated data file a region; a price is never a number in the code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

PRICES = Path(__file__).parent / "prices"


class PriceError(KeyError):
    """A price book or one of its prices is missing; the text names file and key."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices of one region as retrieved on one day (ISO date), in US dollars a unit."""

    path: Path
    region: str
    date: str
    prices: dict[str, Decimal]

    def price(self, key: str) -> Decimal:
        """US dollars a unit; PriceError if the book has no such price."""
        try:
            return self.prices[key]
        except KeyError:
            raise PriceError(f"{self.path.name}: no price {key!r}; it has {sorted(self.prices)}") from None


def load_book(region: str = "us-east-1") -> PriceBook:
    """The newest book of a region. PriceError names the regions that there are."""
    books = sorted((PRICES / region).glob("*.json"))
    if not books:
        known = sorted(folder.name for folder in PRICES.iterdir() if folder.is_dir())
        raise PriceError(f"no price book for region {region!r}; there are {known}")
    data = json.loads(books[-1].read_text(encoding="utf-8"))
    prices = {key: Decimal(entry["usd"]) for key, entry in data["prices"].items()}
    return PriceBook(books[-1], data["region"], data["retrieved"], prices)
