"""What services did, and what is used while nothing is to be done, as tables of text."""

from __future__ import annotations

from harness.analysis import units
from harness.analysis.idle import idle
from harness.analysis.records import records
from harness.analysis.services import service_log
from harness.report.contents import Contents
from harness.report.table import Table

MOST_ROWS = 40


def service_tables(contents: Contents) -> list[Table]:
    """Those of them that have rows."""
    return [table for table in (_idle(contents), _log(contents)) if table.rows]


def _idle(contents: Contents) -> Table:
    rows = [
        [
            row.arm, row.part, f"{row.containers:.1f}", units.percent(row.cpu_cores), units.size(row.memory_bytes),
            units.size(row.memory_bytes * row.containers), units.duration(row.observed_s),
        ]
        for row in records(idle(contents.run))
    ]  # fmt: skip
    note = (
        "Means over the times in which an arm had no item in hand; CPU is a share of one core. This is what a "
        "service pays for around the clock, health checks included; a function is frozen then, and costs nothing."
    )
    headings = ["arm", "part", "containers", "CPU of each", "memory of each", "memory of all", "seen for"]
    return Table("While nothing is to be done (measured)", headings, rows, note, 5, idle(contents.run))


def _log(contents: Contents) -> Table:
    table = service_log(contents.run)
    rows = [
        [row.arm, str(row.block), units.duration(row.at_s), row.what, row.why[:300]]
        for row in records(table.head(MOST_ROWS))
    ]
    note = (
        f"The first {MOST_ROWS} of {len(table)}; all are in services.csv." if len(table) > MOST_ROWS else ""
    )
    return Table(
        "What services did meanwhile", ["arm", "block", "after", "what", "why"], rows, note, raw=table
    )
