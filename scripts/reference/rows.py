"""The reference of rows, from the classes that define them."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from harness import rows
from scripts.reference.tables import table

INTRODUCTION = """# Rows of a run
Three tables, from which everything else is computed: one Parquet file each in the run's folder, and
`harness.load(...).attempts`, `.samples` and `.events` as pandas DataFrames. Times are UTC nanoseconds of the run's one
clock, durations are seconds, sizes are bytes. A duration that does not apply to a row is 0; a quantity that could not
be measured is null.

This page is made from [harness/rows.py](../harness/rows.py) by `make docs`.
"""
TABLES = {"attempts": rows.Attempt, "samples": rows.Sample, "events": rows.Event}


def rows_page() -> str:
    """The page docs/rows.md."""
    return "\n".join([INTRODUCTION, *(_section(name, kind) for name, kind in TABLES.items())])


def _section(name: str, kind: Any) -> str:
    lines = [(f"`{each.name}`", _type(each), each.metadata["doc"]) for each in fields(kind)]
    return f"## {name}\n\n{kind.__doc__}\n\n{table(('column', 'type', 'meaning'), lines)}\n"


def _type(field: Field[Any]) -> str:
    return str(field.type).replace(" | None", ", or null")
