"""The price book: one dated data file a region; a price is never a number in the code.

book = load_book("eu-west-1")
book.price("lambda_request")  # Decimal("0.0000002"), US dollars a request
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from harness.cost.catalogue import PRICES, PriceError, Strict, catalogue, near, read

__all__ = [
    "DEFAULT_REGION", "STALE_AFTER_DAYS", "Amount", "Price", "PriceBook", "PriceError", "Tier", "book_of", "load_book",
    "read_book", "regions",
]  # fmt: skip

STALE_AFTER_DAYS = 180
DEFAULT_REGION = "us-east-1"
OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Tier:
    """`usd` for each unit of a month from `from_units` on, up to where the next tier begins."""

    from_units: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """One price in US dollars a unit, with where it is from.

    `free_per_month` are the first units of a month, which cost nothing to an account that has the free tier; tiers are
    counted from the first unit all the same. `status` is `verified` (read in AWS's price list or on its pricing page),
    `third party` (read in somebody's copy of it), `recalled` (no copy was at hand) or `override` (the scenario's).
    `published` is the date of AWS's list, where that is known. Dates are ISO texts.
    """

    key: str
    unit: str
    tiers: tuple[Tier, ...]
    free_per_month: Decimal
    service_code: str
    usage_type: str
    source: str
    published: str | None
    retrieved: str
    status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices of one region as retrieved on one day (ISO date), in US dollars."""

    path: Path
    region: str
    date: str
    prices: Mapping[str, Price]
    overridden: tuple[str, ...] = ()

    def price(self, key: str) -> Decimal:
        """US dollars a unit, in the first tier; PriceError if the book has no such price."""
        return self.entry(key).tiers[0].usd

    def entry(self, key: str) -> Price:
        """The price with its tiers and its source; PriceError if the book has no such price."""
        if key in self.prices:
            return self.prices[key]
        if key in catalogue():
            raise PriceError(
                f"{self._name}: no price {key!r}: no figure of it was found for {self.region}; "
                f"give one under [prices] in the scenario, or run `harness prices update --region {self.region}`"
            )
        raise PriceError(f"{self._name}: no price {key!r}; {near(key, self.prices)}")

    def age_days(self, today: datetime.date) -> int:
        """Days since the book was retrieved."""
        return (today - datetime.date.fromisoformat(self.date)).days

    def stale(self, today: datetime.date) -> bool:
        """Whether it is too old to be taken on trust."""
        return self.age_days(today) > STALE_AFTER_DAYS

    def outdated(self, today: datetime.date) -> list[Price]:
        """Prices that were last looked up too long ago, however young the book: a refresh keeps what it cannot ask."""
        last = (today - datetime.timedelta(days=STALE_AFTER_DAYS)).isoformat()
        return [each for each in self.prices.values() if each.retrieved < last and each.status != OVERRIDE]

    def with_overrides(self, usd: Mapping[str, Decimal | str | float]) -> PriceBook:
        """The same book with some prices replaced by these, US dollars a unit without tiers.

        A key that the book lacks may be given, one that the catalogue lacks may not; free units stay as they are.
        """
        new = {key: self._overridden(key, _usd(key, value)) for key, value in usd.items()}
        names = tuple(dict.fromkeys((*self.overridden, *new)))
        return replace(self, prices=MappingProxyType({**self.prices, **new}), overridden=names)

    def _overridden(self, key: str, usd: Decimal) -> Price:
        if key not in catalogue():
            raise PriceError(f"prices: unknown key {key!r}; {near(key, catalogue())}")
        meaning, own = catalogue()[key], self.prices.get(key)
        return Price(
            key=key, unit=meaning.unit, tiers=(Tier(Decimal(0), usd),),
            free_per_month=own.free_per_month if own else Decimal(0), service_code=meaning.service_code,
            usage_type=own.usage_type if own else meaning.usage_type, source="the scenario", published=None,
            retrieved=self.date, status=OVERRIDE,
        )  # fmt: skip

    @property
    def _name(self) -> str:
        return f"{self.region}/{self.path.name}"


def _usd(key: str, value: Decimal | str | float) -> Decimal:
    try:
        return _amount(str(value))
    except ValueError as error:
        raise PriceError(f"prices.{key}: {error} (got {value!r})") from None


def _amount(value: Any) -> Decimal:
    """A decimal in quotes, so that no digit is lost on the way through a float."""
    try:
        found = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < 0:
        raise ValueError('allowed is a decimal of at least 0, in a file as text such as "0.0000166667"')
    return found


Amount = Annotated[Decimal, BeforeValidator(_amount)]


class _Tier(Strict):
    from_units: Annotated[Amount, Field(alias="from")]
    usd: Amount


class _Entry(Strict):
    unit: str
    tiers: Annotated[tuple[_Tier, ...], Field(min_length=1)]
    free_per_month: Amount = Decimal(0)
    service_code: str
    usage_type: str
    source: str
    published: datetime.date | None
    retrieved: datetime.date
    status: Literal["verified", "third party", "recalled"]
    note: str = ""

    @model_validator(mode="after")
    def _tiers_rise(self) -> _Entry:
        starts = [tier.from_units for tier in self.tiers]
        if starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
            raise ValueError(f"tiers begin at 0 and rise, these begin at {', '.join(map(str, starts))}")
        return self

    def price(self, key: str) -> Price:
        return Price(
            key=key, unit=self.unit, tiers=tuple(Tier(tier.from_units, tier.usd) for tier in self.tiers),
            free_per_month=self.free_per_month, service_code=self.service_code, usage_type=self.usage_type,
            source=self.source, published=self.published.isoformat() if self.published else None,
            retrieved=self.retrieved.isoformat(), status=self.status, note=self.note,
        )  # fmt: skip


class _Book(Strict):
    region: str
    retrieved: datetime.date
    currency: Literal["USD"]
    prices: dict[str, _Entry]


def regions() -> list[str]:
    """The regions that have a book."""
    return sorted(folder.name for folder in PRICES.iterdir() if any(folder.glob("*.json")))


def load_book(region: str = DEFAULT_REGION) -> PriceBook:
    """The newest book of a region. PriceError names the regions that there are."""
    if region not in regions():
        raise PriceError(f"no price book for region {region!r}; there are {', '.join(regions())}")
    return read_book(max((PRICES / region).glob("*.json")))


def book_of(manifest: Mapping[str, Any]) -> PriceBook:
    """The book of a run: the newest of its scenario's region, with the scenario's own prices."""
    scenario = manifest.get("scenario") or {}
    book = load_book(scenario.get("region") or DEFAULT_REGION)
    return book.with_overrides(scenario.get("prices") or {})


def read_book(path: Path) -> PriceBook:
    """One book from its file; PriceError if anything in it is wrong."""
    book = read(path, TypeAdapter(_Book))
    unknown = [key for key in book.prices if key not in catalogue()]
    if unknown:
        raise PriceError(f"{path}: prices: unknown key {unknown[0]!r}; {near(unknown[0], catalogue())}")
    prices = {key: entry.price(key) for key, entry in book.prices.items()}
    return PriceBook(path, book.region, book.retrieved.isoformat(), MappingProxyType(prices))
