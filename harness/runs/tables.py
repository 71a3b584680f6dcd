"""What writing and loading a run folder share: its tables, and the streams that they are until a run has ended."""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from functools import cache
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.ipc

from harness.rows import Attempt, Event, Sample

TABLES: dict[str, type] = {"attempts": Attempt, "samples": Sample, "events": Event}
State = Literal["incomplete", "complete", "interrupted", "failed"]
ARROW_TYPES = {
    (str, 64): pa.string(), (bool, 64): pa.bool_(),
    (int, 64): pa.int64(), (int, 32): pa.int32(), (int, 16): pa.int16(),
    (float, 64): pa.float64(), (float, 32): pa.float32(),
}  # fmt: skip


class RunError(ValueError):
    """A folder is not a run folder, or cannot be made one."""


@cache
def schema(row: type) -> pa.Schema:
    """Arrow schema of a row class: types from its annotations, column docs in the field metadata."""
    hints = typing.get_type_hints(row)
    fields = []
    for column in dataclasses.fields(row):
        hint = hints[column.name]
        optional = isinstance(hint, types.UnionType)
        plain = next(t for t in typing.get_args(hint) if t is not type(None)) if optional else hint
        arrow = ARROW_TYPES[plain, column.metadata["width"]]
        if column.metadata["category"]:
            arrow = pa.dictionary(pa.int32(), arrow)
        fields.append(pa.field(column.name, arrow, optional, {"doc": column.metadata["doc"]}))
    return pa.schema(fields)


def read_stream(path: Path) -> pa.Table:
    """All whole batches of a stream, whatever stands after them."""
    batches = []
    with path.open("rb") as source:
        try:
            reader = pa.ipc.open_stream(source)
        except (pa.ArrowInvalid, OSError):  # killed before the first byte of the schema was written
            return schema(TABLES[path.stem]).empty_table()
        with contextlib.suppress(pa.ArrowInvalid, OSError):  # a batch cut short
            batches.extend(reader)
        return pa.Table.from_batches(batches, reader.schema)
