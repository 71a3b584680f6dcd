"""Cost per million items of each block: the one place in which comparing meets the cost of a run."""

from __future__ import annotations

import pandas as pd

from harness.analysis.once import once
from harness.cost.book import load_book
from harness.cost.model import model_of_every_arm
from harness.cost.per_million import cost_per_million
from harness.runs import Run

COLUMNS = ["block", "arm", "phase", "cost_usd_per_million"]


@once
def block_cost(run: Run) -> pd.DataFrame:
    """One row for each block, arm and phase with a price: COLUMNS. Both of an A/A pair have one.

    As run, in US dollars of the current price book: two runs are priced with the same one, so that what differs is
    what was measured.
    """
    model = model_of_every_arm(run).on(book=load_book())
    rows = []
    for block in model.cells["block"].unique():
        table = cost_per_million(model, [int(block)])
        table = table[table["basis"] == "as run"].dropna(subset=["usd_per_million"])
        rows += [
            (int(block), arm, phase, usd)
            for arm, phase, usd in table[["arm", "phase", "usd_per_million"]].itertuples(index=False)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def prices_of(run: Run) -> str | None:
    """The date of the prices that `block_cost` takes for a run."""
    return load_book().date
