"""Cost per million items of each block: the one place in which comparing meets the cost of a run."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from harness.analysis.cells import validity
from harness.analysis.once import once
from harness.cost.book import load_book
from harness.cost.per_million import cost_per_million
from harness.runs import Run

COLUMNS = ["block", "arm", "phase", "cost_usd_per_million"]


@once
def block_cost(run: Run) -> pd.DataFrame:
    """One row for each block, arm and phase with a price: COLUMNS. Both of an A/A pair have one.

    As run, in US dollars of the current price book: two runs are priced with the same one, so that what differs is
    what was measured.
    """
    checked = validity(run)
    known = run.manifest.get("arms") or {}
    each_alone = {arm: about | {"duplicate_of": None} for arm, about in known.items()}
    book = load_book()
    rows = []
    for block in checked.loc[checked["valid"], "block"].unique():
        attempts = run.attempts[run.attempts["block"] == block]
        events = run.events[run.events["block"] == block]
        part = replace(run, manifest=run.manifest | {"arms": each_alone}, attempts=attempts, events=events)
        table = cost_per_million(part, book)
        table = table[(table["basis"] == "as run")].dropna(subset=["usd_per_million"])
        rows += [
            (int(block), arm, phase, usd)
            for arm, phase, usd in table[["arm", "phase", "usd_per_million"]].itertuples(index=False)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def prices_of(run: Run) -> str | None:
    """The date of the prices that `block_cost` takes for a run."""
    return load_book().date
