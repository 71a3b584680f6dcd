"""The tables of cost: per million items, the bill of the run, a month at stated loads, and break-even points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.breakeven import FIRST_FEW
from harness.cost.common import LEFT_OUT
from harness.cost.month import load_of, month_bill
from harness.cost.tiers import amount
from harness.report.contents import Contents
from harness.report.speed import speed
from harness.report.table import Table

SPEEDS = (0.5, 2.0)
# How an axis of break-even points is told, and a place on it.
AXES: dict[str, tuple[str, Callable[[float], str]]] = {
    "items a month": ("items a month", "{:,.0f}".format),
    "duration": ("how long an item takes, against the run", "{:.3g} times".format),
    "memory_mb": ("memory", "{:,.0f} MB".format),
}


def cost_tables(contents: Contents) -> list[Table]:
    """All of them."""
    return [
        _per_million(contents),
        _bill(contents),
        _month(contents),
        _month_bill(contents),
        _break_even(contents),
    ]


def _per_million(contents: Contents) -> Table:
    rows = [
        [
            row.arm,
            row.phase,
            row.basis,
            units.money(row.usd_per_million),
            row.formula,
            row.label,
            row.price_date,
        ]
        for row in records(contents.cost)
    ]
    headings = ["placement", "phase", "basis", "per million items", "formula", "label", "prices of"]
    note = (
        "What the placement takes, without the store and the image, which cost the same in all of them. Free tiers are "
        f"left out. {speed(contents.model.terms)}"
    )
    return Table("Cost per million items", headings, rows, note)


def _bill(contents: Contents) -> Table:
    rows = [
        [row.arm, row.part, row.formula, row.label, units.money(row.usd), units.money(row.usd_free_tier)]
        for row in records(contents.bill)
    ]
    for arm, own in contents.bill.groupby("arm", sort=False):
        sums = own[["usd", "usd_free_tier"]].sum(min_count=1)
        rows.append([str(arm), "total", "", "", units.money(sums["usd"]), units.money(sums["usd_free_tier"])])
    headings = ["arm", "part", "formula", "label", "US dollars", "with the free tier"]
    note = (
        "All blocks, warm-up included, as though each arm were alone in its account. Batch itself is free. Left out: "
        f"{'; '.join(LEFT_OUT)}. {speed(contents.model.terms)}"
    )
    return Table("What AWS would bill for this run", headings, rows, note, 2)


def _month(contents: Contents) -> Table:
    model, table = contents.model, contents.month
    free = table["free_tier"].to_numpy(dtype=bool)
    with_free = table[free].set_index(["arm", "items"])["usd"]
    rows = []
    for row in records(table[~free]):
        option = model.option(row.arm)
        speeds = [
            units.money(float(model.curve(model.slower(option, factor))(row.items))) for factor in SPEEDS
        ]
        rows.append([
            row.arm, f"{row.items:,.0f}", _interval(row.usd, row.low, row.high, units.money),
            units.money(with_free[row.arm, row.items]), units.money(row.common_usd), *speeds,
        ])  # fmt: skip
    rows += [[arm, "not priced", reason, "", "", "", ""] for arm, reason in model.unpriced.items()]
    headings = ["arm", "items a month", "US dollars (95 %)", "with the free tier", "of it store and image",
                "AWS twice as fast", "AWS half as fast"]  # fmt: skip
    note = (
        f"Items come {model.terms.shape}. The interval is what the spread of the blocks implies; it knows nothing of "
        f"prices that change. {speed(contents.model.terms)}"
    )
    return Table("What a month would cost", headings, rows, note, 6)


def _month_bill(contents: Contents) -> Table:
    items, why = load_of(contents.run)
    table = month_bill(contents.model, items)
    shared = table["common"].to_numpy(dtype=bool)
    rows = [
        [row.arm, row.part, row.formula, row.label, units.money(row.usd)] for row in records(table[~shared])
    ]
    common = table[shared].drop_duplicates("part")
    rows += [
        ["each of them", row.part, row.formula, row.label, units.money(row.usd)] for row in records(common)
    ]
    headings = ["arm", "part", "formula", "label", "US dollars"]
    note = (
        f"At {why}; a month has 730 hours of 3,600 s. Batch itself is free. Free tiers are left out. "
        "`harness advise --parts` writes out a month of any other load, and on other terms. "
        f"{speed(contents.model.terms)}"
    )
    return Table(f"A month of {amount(items, 'item')}, part by part", headings, rows, note, 1)


def _break_even(contents: Contents) -> Table:
    rows = [
        [
            f"{row.first}, {row.second}", AXES[row.axis][0], f"{row.number} of {row.crossings}",
            _interval(row.at, row.low, row.high, AXES[row.axis][1]), _agree(row.share), units.money(row.usd),
            row.below, row.above, units.percent(row.utilisation),
        ]
        for row in records(contents.break_even)
    ]  # fmt: skip
    headings = [
        "pair", "over", "change", "at (95 %)", "trials with it", "a month costs", "cheaper below", "cheaper above",
        "tasks are busy",
    ]  # fmt: skip
    items, _ = load_of(contents.run)
    note = (
        "From 1 to 10 billion items a month, 0.001 to 1,000 times the duration, and 128 to 10,240 MB; a pair that is "
        f"not here has one cheaper placement throughout. Of more than {FIRST_FEW + 1} changes of a pair the first "
        f"{FIRST_FEW} and the last are here. A function ends where its longest item would take longer than it may "
        f"run. Duration and memory at {items:,.0f} items a month, memory with times as measured. A trial draws the "
        "blocks anew; in each the nearest change in this direction counts. "
        f"{speed(contents.model.terms)}"
    )
    return Table("Where the cheaper placement changes", headings, rows, note)


def _agree(share: float) -> str:
    return units.NONE if pd.isna(share) else units.percent(share)


def _interval(value: float, low: float, high: float, text: Any) -> str:
    same = pd.isna(low) or text(low) == text(value) == text(high)
    return text(value) if same else f"{text(value)} ({text(low)} to {text(high)})"
