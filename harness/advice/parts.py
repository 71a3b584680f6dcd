"""What the advice's dollars consist of: each part of a month at the load that was asked, with its sum written out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from harness.advice.question import Question
from harness.analysis import units
from harness.analysis.records import records
from harness.cost.month import month_bill
from harness.cost.tiers import amount
from harness.runs import Run


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a placement's month: `quantity` in `unit`s, US dollars, and how both come about.

    `common` parts cost the same whichever placement does the work.
    """

    arm: str
    part: str
    quantity: float
    unit: str
    usd: float
    common: bool
    label: str
    formula: str


def parts(run: Run, question: Question) -> list[Part]:
    """Those of every placement that has a price, ruled out or not. PriceError where the run's region has no prices."""
    items, _ = question.load(run)
    table = month_bill(question.model(run), items)
    return [
        Part(row.arm, row.part, row.quantity, row.unit, row.usd, row.common, row.label, row.formula)
        for row in records(table)
    ]


def as_json(found: list[Part]) -> list[dict[str, Any]]:
    """Plain values."""
    return [asdict(each) for each in found]


def paragraphs(found: list[Part], items: float) -> list[tuple[str, list[str]]]:
    """(heading, lines): of each placement, and of what any of them costs."""
    month, told = f"A month of {amount(items, 'item')}", []
    for arm, own in groupby((each for each in found if not each.common), key=lambda each: each.arm):
        told.append((f"{month}: {arm} itself", _lines(list(own))))
    common = [each for each in found if each.common and each.arm == found[0].arm]
    return [*told, (f"{month}: the rest, in any placement", _lines(common))] if common else told


def _lines(own: list[Part]) -> list[str]:
    total = units.money(sum(each.usd for each in own))
    return [
        *(f"{each.part}: {each.formula} = {units.money(each.usd)} ({each.label})" for each in own),
        f"in all {total}",
    ]
