"""An Excel workbook with a sheet a table.

XlsxWriter, and not openpyxl, since nothing is read here: it has no dependency, and writes a million rows in constant
memory, several times as fast.
Source of the limits: Microsoft, "Excel specifications and limits" (1,048,576 rows, 16,384 columns, 32,767 characters
a cell, 15 digits of a number).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from harness.export.tables import ExportError, is_text

MAX_ROWS = 1_048_576
MAX_CHARACTERS = 32_767
# Neither a formula nor a link is made of what a run holds, however it looks.
OPTIONS = {
    "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
}  # fmt: skip
WIDEST = 40


class Xlsx:
    """All tables in one file."""

    suffix = ".xlsx"
    one_file = True

    def write(self, tables: Mapping[str, pd.DataFrame], path: Path) -> None:
        """See `base.Exporter`."""
        for name, table in tables.items():
            _check(name, table)
        with path.open("wb") as file, xlsxwriter.Workbook(file, OPTIONS) as book:
            bold = book.add_format({"bold": True})
            for name, table in tables.items():
                _fill(book.add_worksheet(name), with_iso_times(table), bold)


def with_iso_times(table: pd.DataFrame) -> pd.DataFrame:
    """With a text column beside each of nanoseconds, `due_utc` beside `due_ns`: Excel keeps 15 of their 19 digits."""
    result = table.copy(deep=False)
    for column in table:
        name = str(column)
        if name.endswith("_ns"):
            times = [None if pd.isna(value) else _iso(int(value)) for value in table[column]]
            after = [str(known) for known in result].index(name) + 1
            result.insert(
                after, f"{name.removesuffix('_ns')}_utc", pd.Series(times, index=table.index, dtype=object)
            )
    return result


def _iso(at_ns: int) -> str:
    """With all nine digits: 2026-11-23T10:00:00.123456789Z."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{pd.Timestamp(seconds, unit='s').isoformat()}.{rest:09}Z"


def _check(name: str, table: pd.DataFrame) -> None:
    if len(table) + 1 > MAX_ROWS:
        raise ExportError(
            f"table {name}: {len(table):,} rows and a heading, and a sheet of Excel holds {MAX_ROWS:,}; use "
            "--format parquet, or choose other tables with --table"
        )
    for column in table:
        if is_text(table[column]):
            lengths = (
                table[column].astype(object).map(lambda value: len(value) if isinstance(value, str) else 0)
            )
            if len(lengths) and int(lengths.max()) > MAX_CHARACTERS:
                raise ExportError(
                    f"table {name}, column {column}: a text of {int(lengths.max()):,} characters, and a cell of Excel "
                    f"holds {MAX_CHARACTERS:,}; use --format parquet"
                )


def _fill(sheet: Any, table: pd.DataFrame, bold: Any) -> None:
    sheet.freeze_panes(1, 0)
    for position, column in enumerate(table):
        sheet.set_column(position, position, min(WIDEST, max(10, len(str(column)) + 2)))
    sheet.write_row(0, 0, [str(column) for column in table], bold)
    for number, row in enumerate(table.astype(object).itertuples(index=False, name=None), start=1):
        for position, value in enumerate(row):
            _cell(sheet, number, position, value)
    if len(table):
        sheet.autofilter(0, 0, len(table), len(table.columns) - 1)


def _cell(sheet: Any, row: int, position: int, value: Any) -> None:
    """What is missing leaves an empty cell; Excel has no infinite number, so that is text."""
    if isinstance(value, str):
        sheet.write_string(row, position, value)
    elif isinstance(value, bool):
        sheet.write_boolean(row, position, value)
    elif isinstance(value, pd.Timestamp):
        sheet.write_string(row, position, value.isoformat())
    elif not pd.isna(value):
        if math.isinf(value):
            sheet.write_string(row, position, str(value))
        else:
            sheet.write_number(row, position, value)
