"""A new book from AWS's own lists: all of it or none, and never over an old one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3

from harness.cost.book import Price, PriceBook
from harness.cost.catalogue import PRICES, PriceError, catalogue, near
from harness.cost.update.account import Account
from harness.cost.update.bulk import LIST_URL, address, fetch
from harness.cost.update.offers import PREFIXES, Listed, find

NO_LIST = "no list is known to have it"
NO_CREDENTIALS = "it takes AWS credentials, and there are none"
ASKED = "as asked"


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh found: the new book, and for each key that keeps its old price, or still has none, the reason."""

    old: PriceBook
    new: PriceBook
    kept: Mapping[str, str]

    def changed(self) -> list[tuple[str, Price | None, Price]]:
        """Old and new price of each key whose tiers or free units differ, or which is new."""
        pairs = [(key, self.old.prices.get(key), price) for key, price in self.new.prices.items()]
        return [(key, old, new) for key, old, new in pairs if old is None or _figures(old) != _figures(new)]


def refresh(
    old: PriceBook,
    now: datetime,
    session: boto3.Session | None,
    *,
    list_url: str = LIST_URL,
    keep: Collection[str] = (),
) -> Refresh:
    """Look up every key of the catalogue; writes nothing.

    Without credentials in `session` the keys that need them keep their old prices, as `keep` does. PriceError has one
    line for each key that has no price in AWS's list, or several that differ.
    """
    check(old.region, keep)
    account = Account(session, old.region, now) if session and session.get_credentials() else None
    kept = {key: reason for key in catalogue() if (reason := _reason(key, keep, account is not None))}
    listed = _listed(old.region, [key for key in catalogue() if key not in kept], list_url, account)
    prices: dict[str, Price] = {}
    for key in catalogue():
        before = old.prices.get(key)
        if key in listed:
            prices[key] = _price(key, listed[key], before, now)
        elif before:
            prices[key] = before
    date = now.date().isoformat()
    book = PriceBook(Path(f"{date}.json"), old.region, date, MappingProxyType(prices))
    return Refresh(old, book, MappingProxyType(kept))


def save(book: PriceBook, folder: Path = PRICES) -> Path:
    """Write a book as `<folder>/<region>/<date>.json`; PriceError if there is another of that name already."""
    path = folder / book.region / f"{book.date}.json"
    text = as_text(book)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") != text:
            raise PriceError(
                f"{path}: exists already, with other prices, and a book is never overwritten; "
                "move it away if it is wrong, or wait for tomorrow"
            ) from None
    return path


def as_text(book: PriceBook) -> str:
    """The book as its file, with a line a price, so that a change is a line."""
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(as_data(p))}" for key, p in book.prices.items())
    head = {"region": book.region, "retrieved": book.date, "currency": "USD"}
    rest = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    return f'{{\n{rest}  "prices": {{\n{lines}\n  }}\n}}\n'


def as_data(price: Price) -> dict[str, Any]:
    """A price as it is in a file; amounts are texts."""
    data: dict[str, Any] = {
        "unit": price.unit,
        "tiers": [{"from": f"{tier.from_units:f}", "usd": f"{tier.usd:f}"} for tier in price.tiers],
    }
    if price.free_per_month:
        data["free_per_month"] = f"{price.free_per_month:f}"
    for name in ("service_code", "usage_type", "source", "published", "retrieved", "status"):
        data[name] = getattr(price, name)
    return data | ({"note": price.note} if price.note else {})


def check(region: str, keep: Collection[str]) -> None:
    """PriceError, naming what is allowed, where a region cannot be refreshed or a key to keep is unknown."""
    if region not in PREFIXES:
        raise PriceError(f"region {region!r} cannot be refreshed; allowed: {', '.join(sorted(PREFIXES))}")
    for key in keep:
        if key not in catalogue():
            raise PriceError(f"unknown key {key!r}; {near(key, catalogue())}")


def _reason(key: str, keep: Collection[str], credentials: bool) -> str:
    """Why a key is not looked up; empty where it is."""
    via = catalogue()[key].via
    if key in keep:
        return ASKED
    if via == "none":
        return NO_LIST
    return NO_CREDENTIALS if via != "bulk" and not credentials else ""


def _listed(region: str, keys: list[str], list_url: str, account: Account | None) -> dict[str, Listed]:
    codes = [catalogue()[key].service_code for key in keys if catalogue()[key].via == "bulk"]
    offers = fetch(list_url, codes, region)
    found: dict[str, Listed] = {}
    wrong: list[str] = []
    for key in keys:
        meaning = catalogue()[key]
        try:
            if meaning.via == "bulk":
                source = address(list_url, meaning.service_code, region)
                found[key] = find(offers[meaning.service_code], meaning, region, source)
            elif account:
                found[key] = account.find(meaning)
        except PriceError as error:
            wrong.append(f"{key}: {error}")
    if wrong:
        raise PriceError("\n".join(wrong))
    return found


def _price(key: str, listed: Listed, before: Price | None, now: datetime) -> Price:
    free = listed.free_per_month
    if free is None:
        free = before.free_per_month if before else Decimal(0)
    meaning = catalogue()[key]
    return Price(
        key=key, unit=meaning.unit, tiers=listed.tiers, free_per_month=free, service_code=meaning.service_code,
        usage_type=listed.usage_type, source=listed.source, published=listed.published,
        retrieved=now.date().isoformat(), status="verified",
    )  # fmt: skip


def _figures(price: Price) -> tuple[Any, ...]:
    return price.tiers, price.free_per_month
