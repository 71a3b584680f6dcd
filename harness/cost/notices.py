"""What a reader must know of the prices before any figure that rests on them."""

from __future__ import annotations

from datetime import date

from harness.cost.book import STALE_AFTER_DAYS, PriceBook


def price_notices(book: PriceBook, today: date) -> list[str]:
    """That a book, or part of it, is old, and which of its prices are the scenario's own."""
    told = []
    if book.stale(today):
        told.append(
            f"The price book of {book.region} is of {book.date}, {book.age_days(today)} days ago: older than "
            f"{STALE_AFTER_DAYS} days, it may be wrong by now. Refresh it with "
            f"`harness prices update --region {book.region}`."
        )
    elif old := book.outdated(today):
        told.append(
            f"{len(old)} prices of the book of {book.region} ({old[0].key} and the like) were kept from "
            f"{min(each.retrieved for each in old)}, more than {STALE_AFTER_DAYS} days ago: they may be wrong by now. "
            f"`harness prices update --region {book.region}` refreshes them where it finds credentials."
        )
    if book.overridden:
        told.append(
            "The scenario sets prices of its own, in place of AWS's: "
            + ", ".join(f"{key} ${book.price(key):f}" for key in book.overridden)
            + "."
        )
    return told
