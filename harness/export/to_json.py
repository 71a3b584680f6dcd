"""JSON, in the form of `pandas.read_json(path, orient="table")`: a Table Schema, then the rows.

Source: Frictionless Data, Table Schema (https://specs.frictionlessdata.io/table-schema), for `schema`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harness.export.tables import documented, is_text

# Rows that are Python objects at one time.
CHUNK = 10_000


class Json:
    """One table a file. Figures have all their digits; what is missing, or not finite, is null."""

    suffix = ".json"
    one_file = False

    def write(self, tables: Mapping[str, pd.DataFrame], path: Path) -> None:
        """See `base.Exporter`."""
        ((name, table),) = tables.items()
        with path.open("w", encoding="utf-8") as file:
            file.write(f'{{"schema": {json.dumps(_schema(name, table))}, "data": [')
            for start in range(0, len(table), CHUNK):
                rows = table.iloc[start : start + CHUNK].to_dict(orient="records")
                text = ",\n".join(json.dumps({str(k): _plain(v) for k, v in row.items()}) for row in rows)
                file.write(("," if start else "") + "\n" + text)
            file.write("\n]}\n")


def _schema(name: str, table: pd.DataFrame) -> dict[str, Any]:
    docs = documented(name)
    fields = []
    for column in table:
        field = {"name": str(column), "type": _type(table[column])}
        if table[column].dtype == "Int64":
            # How pandas marks whole numbers of which some are missing.
            field["extDtype"] = "Int64"
        fields.append(field | ({"description": docs[str(column)]} if str(column) in docs else {}))
    return {"fields": fields, "pandas_version": pd.__version__}


def _type(column: pd.Series) -> str:
    if is_text(column):
        return "string"
    kinds = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    return kinds.get(getattr(column.dtype, "kind", ""), "string")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is pd.NaT or value is pd.NA:
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value
