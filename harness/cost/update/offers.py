"""One price found in an offer file of AWS's price list.

Shape: `products` maps a SKU to its `attributes`, of which `usagetype` names what is billed; `terms.OnDemand` maps a SKU
to its terms, and each term has `priceDimensions`, one a tier, from `beginRange` to `endRange` units a month.
Source: AWS Billing User Guide, "Reading the service price list files", recalled 2026-11-24.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from harness.cost.book import Amount, Tier
from harness.cost.catalogue import Meaning, PriceError

Offer = Mapping[str, Any]

# Usage types of the oldest regions carry no prefix or a short one; newer services give them one all the same.
PREFIXES = {"us-east-1": ("", "USE1-"), "eu-west-1": ("EU-", "EUW1-")}
WITHOUT_END = "Inf"


@dataclass(frozen=True, slots=True)
class Listed:
    """A price as AWS lists it today; `free_per_month` is None where the list has no free tier beside it."""

    tiers: tuple[Tier, ...]
    free_per_month: Decimal | None
    usage_type: str
    source: str
    published: str | None


class _Dimension(BaseModel):
    begin: Annotated[Amount, Field(alias="beginRange")]
    end: Annotated[Literal["Inf"] | Amount, Field(alias="endRange")]
    per_unit: Annotated[dict[str, Amount], Field(alias="pricePerUnit")]


class _Term(BaseModel):
    dimensions: Annotated[dict[str, _Dimension], Field(alias="priceDimensions", min_length=1)]


_TERMS = TypeAdapter(dict[str, _Term])


def usage_types(meaning: Meaning, region: str) -> list[str]:
    """How the list may spell the usage type in this region."""
    return [prefix + meaning.usage_type for prefix in PREFIXES[region]]


def find(offer: Offer, meaning: Meaning, region: str, source: str) -> Listed:
    """The one price of this meaning; PriceError where the offer has none, or several that differ."""
    names = usage_types(meaning, region)
    wanted = " or ".join(names) + "".join(f", {key} {value}" for key, value in meaning.match.items())
    products = {
        sku: attributes
        for sku, product in offer["products"].items()
        if (attributes := product.get("attributes", {})).get("usagetype") in names
        and all(attributes.get(key) == value for key, value in meaning.match.items())
    }
    found: dict[tuple[Tier, ...], list[str]] = defaultdict(list)
    for sku in products:
        for tiers in _on_demand(offer, sku):
            found[tiers].append(sku)
    if not found:
        raise PriceError(f"no on-demand price of usage type {wanted} in {source}")
    if len(found) > 1:
        told = "; ".join(f"{_text(tiers)} ({', '.join(skus)})" for tiers, skus in found.items())
        raise PriceError(f"{len(found)} different prices of usage type {wanted} in {source}: {told}")
    ((tiers, skus),) = found.items()
    paid, free = _free_apart(tiers)
    if not paid[-1].usd:
        raise PriceError(f"usage type {wanted} costs nothing in {source}")
    published = str(offer.get("publicationDate") or "")[:10] or None
    return Listed(paid, free, products[skus[0]]["usagetype"], source, published)


def as_offer(answers: Iterable[str]) -> Offer:
    """What the query API answers, each product a JSON text, in the shape of an offer file."""
    entries = [json.loads(answer) for answer in answers]
    return {
        "publicationDate": max((entry.get("publicationDate") or "" for entry in entries), default=""),
        "products": {entry["product"]["sku"]: entry["product"] for entry in entries},
        "terms": {"OnDemand": {e["product"]["sku"]: e["terms"].get("OnDemand", {}) for e in entries}},
    }


def _on_demand(offer: Offer, sku: str) -> list[tuple[Tier, ...]]:
    try:
        terms = _TERMS.validate_python(offer["terms"].get("OnDemand", {}).get(sku, {}))
    except ValidationError as error:
        raise PriceError(f"SKU {sku} is not of the shape that is known: {error.errors()[0]}") from None
    return [_tiers(sku, list(term.dimensions.values())) for term in terms.values()]


def _tiers(sku: str, dimensions: list[_Dimension]) -> tuple[Tier, ...]:
    """Tiers in order, each of which begins where the last one ends."""
    dimensions = sorted(dimensions, key=lambda each: each.begin)
    if [Decimal(0), *(d.end for d in dimensions)] != [*(d.begin for d in dimensions), WITHOUT_END]:
        told = ", ".join(f"{d.begin:f} to {d.end}" for d in dimensions)
        raise PriceError(f"tiers of SKU {sku} have gaps or do not end at {WITHOUT_END}: {told}")
    other = next((sorted(d.per_unit) for d in dimensions if "USD" not in d.per_unit), None)
    if other is not None:
        raise PriceError(f"SKU {sku} has no price in USD, only in {', '.join(other)}")
    return tuple(Tier(d.begin.normalize(), d.per_unit["USD"].normalize()) for d in dimensions)


def _free_apart(tiers: tuple[Tier, ...]) -> tuple[tuple[Tier, ...], Decimal | None]:
    """A first tier that costs nothing is what is free each month, and the second is then the first."""
    if len(tiers) == 1 or tiers[0].usd:
        return tiers, None
    return (Tier(Decimal(0), tiers[1].usd), *tiers[2:]), tiers[1].from_units


def _text(tiers: tuple[Tier, ...]) -> str:
    return " then ".join(f"${tier.usd:f} from {tier.from_units:f}" for tier in tiers)
