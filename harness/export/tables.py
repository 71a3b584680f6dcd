"""The tables of a run, by name, with what each of their columns holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa

from harness import analysis
from harness.analysis.idle import idle
from harness.analysis.instances import instances
from harness.analysis.lambda_metrics import lambda_metrics
from harness.analysis.services import service_log
from harness.comparing.conditions import flatten
from harness.report.contents import Contents
from harness.runs import TABLES as RAW
from harness.runs import Run, schema

# The table of what the columns of the others hold, which goes with every export.
COLUMNS = "columns"
# By how the name of a column ends, the longer ending first.
UNITS = {
    "usd_per_million": "US dollars", "_usd": "US dollars", "bytes_in": "bytes", "bytes_out": "bytes",
    "_items_per_s": "items a second", "_s_per_item": "seconds", "_fraction": "fraction", "_share": "fraction",
    "_rate": "fraction",
    "_bytes": "bytes", "_mb": "MiB", "_ns": "UTC nanoseconds since 1970", "_ms": "milliseconds",
    "_utc": "UTC, ISO 8601", "_s": "seconds", "_s_low": "seconds", "_s_high": "seconds",
}  # fmt: skip


def _whole(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """With whole numbers where the rows have such, also where some are missing: pandas made them floating-point."""
    result = frame.copy(deep=False)
    for field in schema(RAW[name]):
        if pa.types.is_integer(field.type) and frame[field.name].dtype.kind == "f":
            result[field.name] = frame[field.name].astype("Int64")
    return result


def _manifest(run: Run) -> pd.DataFrame:
    return pd.DataFrame(list(flatten(run.manifest)), columns=["key", "value"])


MAKERS: dict[str, Callable[[Run], pd.DataFrame]] = {
    "attempts": lambda run: _whole(run.attempts, "attempts"),
    "samples": lambda run: _whole(run.samples, "samples"),
    "events": lambda run: _whole(run.events, "events"),
    "summary": analysis.summarise,
    "cold_and_warm": analysis.cold_and_warm,
    "comparison": analysis.compare,
    "cost": lambda run: Contents(run).cost,
    "objectives": lambda run: Contents(run).objectives,
    "outcomes": analysis.outcomes,
    "validity": analysis.validity,
    "steadiness": analysis.steadiness,
    "lambda_metrics": lambda_metrics,
    "instances": instances,
    "idle": idle,
    "services": service_log,
    "manifest": _manifest,
}
NAMES = tuple(MAKERS)


class ExportError(ValueError):
    """A table that a run does not have, a file that a format cannot hold, or a place that cannot be written to."""


def tables(run: Run, names: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """The tables with these names, or, without any, all that have rows; ExportError on an unknown name."""
    unknown = [name for name in names if name not in MAKERS]
    if unknown:
        raise ExportError(f"got table {unknown[0]!r}; allowed are {', '.join(NAMES)}")
    made = {name: MAKERS[name](run) for name in NAMES if not names or name in names}
    return {name: table for name, table in made.items() if names or len(table)}


def columns(made: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each column of each table: table, column, type, unit, meaning."""
    rows = [
        (
            name,
            str(column),
            type_name(table[column]),
            _unit(str(column)),
            documented(name).get(str(column), ""),
        )
        for name, table in made.items()
        for column in table
    ]
    return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "meaning"])


def documented(table: str) -> dict[str, str]:
    """What the columns of a raw table hold, from their rows' classes; nothing of the others."""
    row = RAW.get(table)
    return {each.name: str(each.metadata["doc"]) for each in dataclasses.fields(row)} if row else {}


def type_name(column: pd.Series) -> str:
    """The pandas type; text where it is of text, be it as categories or as objects."""
    return "text" if is_text(column) else str(column.dtype)


def is_text(column: pd.Series) -> bool:
    """Whether it holds text."""
    return isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(column.dtype) or (
        column.dtype == object
    )  # fmt: skip


def _unit(column: str) -> str:
    return next((unit for ending, unit in UNITS.items() if column.endswith(ending)), "")
