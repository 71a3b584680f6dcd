"""`harness prices`: the price book, shown and refreshed."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and boto3 takes a while)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.exits import FAILED, USAGE, failing
from harness.cli.options import FOLDER, defaulted, json_option
from harness.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from harness.cost.book import Price, PriceBook
    from harness.cost.update import Refresh

region_option = defaulted("--region", default="us-east-1", help="Of which region.")


@click.group()
def prices() -> None:
    """The price book: what everything costs, where each figure is from, and how to refresh it.

    \b
    Example:
      harness prices show lambda_request s3_put
      harness prices update --dry-run
    """


@prices.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@region_option
@json_option("prices")
def show(keys: tuple[str, ...], region: str, as_json: bool) -> None:
    """Show the prices of a region, or those with the given KEYs, with source, dates and status.

    \b
    Example:
      harness prices show
      harness prices show --region eu-west-1 lambda_request fargate_vcpu_hour_x86
    """
    from datetime import UTC, datetime

    from harness.cost.book import PriceError, load_book
    from harness.cost.catalogue import catalogue
    from harness.cost.update import as_data

    with failing(USAGE, PriceError):
        book = load_book(region)
        chosen = [book.entry(key) for key in keys or book.prices]
    today = datetime.now(UTC).date()
    missing = [] if keys else [key for key in catalogue() if key not in book.prices]
    if as_json:
        entries = {price.key: as_data(price) for price in chosen}
        about = {"region": book.region, "retrieved": book.date, "age_days": book.age_days(today)}
        told = about | {"stale": book.stale(today), "currency": "USD", "prices": entries, "missing": missing}
        print_json(told)
        return
    screen = console()
    screen.print(_heading(book, stale=book.stale(today), age_days=book.age_days(today)), style="bold")
    screen.print(_table(chosen))
    for line in _footnotes(chosen):
        screen.print(line, markup=False, highlight=False)
    if missing:
        screen.print(f"No figure was found for {region} of: {', '.join(missing)}", markup=False)


@prices.command()
@region_option
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--keep", multiple=True, metavar="KEY", help="Keep the old price of this key; may be repeated.")
@click.option("--anonymous", is_flag=True, help="Use no credentials, even if there are any.")
@click.option("--list-url", help="Where the price list is, if not at AWS: a mirror.")
@click.option(
    "--out",
    type=FOLDER,
    help="Folder for the new book, if not the harness's own, the only one that runs are priced from.",
)
def update(
    region: str, dry_run: bool, keep: tuple[str, ...], anonymous: bool, list_url: str | None, out: Path | None
) -> None:
    """Fetch the prices of a region from AWS's price list, show what changed, and write a new book of today.

    The list takes no credentials. EC2, Spot, EBS, NAT and Lightsail do, as boto3 finds them; without any, those prices
    are kept. A price that is missing from the list, or in it several times with different figures, ends the refresh
    with nothing written (exit code 1). An old book is never overwritten.

    \b
    Example:
      harness prices update --dry-run
      harness prices update --region eu-west-1
    """
    from datetime import UTC, datetime

    import boto3

    from harness.cost.book import PriceError, load_book
    from harness.cost.catalogue import PRICES
    from harness.cost.update import refresh, save
    from harness.cost.update.bulk import LIST_URL
    from harness.cost.update.refresh import check

    with failing(USAGE, PriceError):
        old = load_book(region)
        check(region, keep)
    with failing(FAILED, PriceError, OSError, saying="no book was written:\n"):
        session = None if anonymous else boto3.Session()
        found = refresh(old, datetime.now(UTC), session, list_url=list_url or LIST_URL, keep=keep)
        path = None if dry_run else save(found.new, out or PRICES)
    _print_outcome(found, path)


def _print_outcome(found: Refresh, path: Path | None) -> None:
    """What a refresh came to, and where its book is, if one was written."""
    screen = console()
    changed = found.changed()
    if changed:
        screen.print(_diff(changed))
    kept = [key for key in found.kept if key in found.old.prices]
    compared = len(found.new.prices) - len(changed) - len(kept)
    screen.print(
        f"{len(changed)} changed, {compared} as they were in the book of {found.old.date}", highlight=False
    )
    for line in _kept(found):
        screen.print(line, markup=False, highlight=False)
    screen.print(
        f"written: {path}" if path else "dry run: nothing was written", markup=False, highlight=False
    )


def _heading(book: PriceBook, *, stale: bool, age_days: int) -> str:
    age = f", {age_days} days old" + (": refresh it with `harness prices update`" if stale else "")
    return f"{book.region}, book of {book.date}{age}; US dollars"


def _table(chosen: list[Price]) -> Table:
    """A row a price, and one for each further tier."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("key", "price", "unit", "free a month", "status", "source"):
        justify: Any = "right" if heading in {"price", "free a month"} else "left"
        table.add_column(heading, no_wrap=heading == "key", justify=justify)
    origins = _origins(chosen)
    for price in chosen:
        first, *rest = price.tiers
        free = f"{price.free_per_month:,f}" if price.free_per_month else ""
        number = origins.index(_origin(price)) + 1
        table.add_row(price.key, f"{first.usd:f}", price.unit, free, price.status, f"({number})")
        for tier in rest:
            table.add_row(f"  from {tier.from_units:,f} a month", f"{tier.usd:f}")
    return table


def _footnotes(chosen: list[Price]) -> list[str]:
    """What units are, and where the figures are from: a line each."""
    from harness.cost.catalogue import catalogue

    notes: dict[str, list[str]] = {}
    for price in chosen:
        for note in filter(None, (catalogue()[price.key].note, price.note)):
            notes.setdefault(note, []).append(price.key)
    told = [f"{', '.join(keys)}: {note}" for note, keys in notes.items()]
    return ["", *told, *(f"({number}) {text}" for number, text in enumerate(_origins(chosen), 1))]


def _origins(chosen: list[Price]) -> list[str]:
    return list(dict.fromkeys(_origin(price) for price in chosen))


def _origin(price: Price) -> str:
    published = f", published {price.published}" if price.published else ""
    return f"{price.source}{published}, retrieved {price.retrieved}"


def _steps(price: Price) -> str:
    """The price of each tier, a line each."""
    first, *rest = price.tiers
    return "\n".join([f"{first.usd:f}", *(f"from {tier.from_units:,f}: {tier.usd:f}" for tier in rest)])


def _diff(changed: list[tuple[str, Price | None, Price]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("key", "old", "new", "change"):
        table.add_column(heading, overflow="fold", justify="left" if heading == "key" else "right")
    for key, old, new in changed:
        table.add_row(key, _figures(old) if old else "", _figures(new), _change(old, new))
    return table


def _figures(price: Price) -> str:
    free = f"\n{price.free_per_month:,f} free" if price.free_per_month else ""
    return _steps(price) + free


def _change(old: Price | None, new: Price) -> str:
    """Of the first tier, in percent; the tiers beside it show the rest."""
    if old is None:
        return "new"
    was, now = old.tiers[0].usd, new.tiers[0].usd
    if was == now:
        return "tiers or free units"
    return f"{(now - was) / was * 100:+.1f} %" if was else "was free"


def _kept(found: Refresh) -> list[str]:
    """Keys that were not looked up, by reason, those without any price apart."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in found.kept.items():
        known: Any = found.old.prices.get(key)
        by_reason.setdefault(f"{'kept' if known else 'still without a price'}, {reason}", []).append(key)
    return [f"{reason}: {', '.join(keys)}" for reason, keys in by_reason.items()]
