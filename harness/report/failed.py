"""What failed, by kind and by what was said of it, as a table of text."""

from __future__ import annotations

from harness.analysis import units
from harness.analysis.records import records
from harness.report.contents import Contents
from harness.report.table import Table
from harness.rows import NO_BLOCK, Outcome

MOST_ROWS = 40
MOST_CHARACTERS = 200


def failure_tables(contents: Contents) -> list[Table]:
    """Nothing where no attempt failed."""
    tries = contents.run.attempts
    bad = tries[((tries["outcome"] != Outcome.OK) & (tries["block"] > NO_BLOCK)).to_numpy()]
    if bad.empty:
        return []
    keys = (
        bad[["arm", "phase", "outcome"]]
        .astype(str)
        .assign(error=bad["error"].astype(str).str[:MOST_CHARACTERS])
    )
    counted = keys.groupby(list(keys.columns)).size().rename("attempts").reset_index()
    counted = counted.sort_values("attempts", ascending=False, kind="stable")
    whole = tries.groupby(["arm", "phase"], observed=True).size()
    rows = [
        [
            row.arm, row.phase, row.outcome, row.error, f"{row.attempts:,}",
            units.percent(row.attempts / whole[row.arm, row.phase]),
        ]
        for row in records(counted.head(MOST_ROWS))
    ]  # fmt: skip
    more = f"The {MOST_ROWS} most frequent of {len(counted)}; all are in attempts.parquet."
    headings = ["arm", "phase", "outcome", "error", "attempts", "of all"]
    note = more if len(counted) > MOST_ROWS else ""
    return [Table("Failures by kind (measured)", headings, rows, note, 2)]
