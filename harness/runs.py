"""The run folder: written as the run goes, so that a kill loses at most the last half second, and loaded as pandas.

While a run is under way its rows are appended to Arrow streams (`attempts.arrows`, ...), a batch at each flush; a
stream that ends in mid-batch still gives all the batches before. A run that ends in any orderly way rewrites each
stream as Parquet. `manifest.json` is replaced atomically, and says `incomplete` until the last moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import threading
import types
import typing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from harness.rows import Attempt, Event, Sample

if TYPE_CHECKING:
    import pandas as pd

TABLES: dict[str, type] = {"attempts": Attempt, "samples": Sample, "events": Event}
State = Literal["incomplete", "complete", "interrupted", "failed"]
FLUSH_PERIOD_S = 0.5
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


class _Stream:
    """One table's Arrow stream; `append` may be called from any thread."""

    def __init__(self, path: Path, row: type) -> None:
        self.path = path
        # Dictionaries would have to be replaced at each batch; the stream holds plain values, Parquet encodes them.
        plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema(row)]
        self._schema = pa.schema(plain)
        self._names = self._schema.names
        self._rows: list[Any] = []
        self._lock = threading.Lock()
        self._sink = path.open("wb")
        self._writer = pa.ipc.new_stream(self._sink, self._schema)

    def append(self, row: Any) -> None:
        self._rows.append(row)  # atomic under the interpreter lock

    def flush(self) -> None:
        with self._lock:
            rows, self._rows = self._rows, []
            if not rows:
                return
            columns = [[getattr(row, name) for row in rows] for name in self._names]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._sink.flush()

    def close(self) -> None:
        self.flush()
        self._writer.close()
        self._sink.close()


class RunWriter:
    """Writes one run folder. Rows may come from any thread; a thread of its own flushes them."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Create `folder` (which must not exist) and write the manifest, marked incomplete."""
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise RunError(f"{folder}: exists already; a run never writes over another") from None
        self.folder = folder
        self.run = folder.name
        self.manifest = manifest | {"run": self.run, "state": "incomplete"}
        self._write_manifest()
        self._streams = {name: _Stream(folder / f"{name}.arrows", row) for name, row in TABLES.items()}
        self._stop = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="run-writer", daemon=True)
        self._flusher.start()

    def attempt(self, row: Attempt) -> None:
        """Record one attempt."""
        self._streams["attempts"].append(row)

    def sample(self, row: Sample) -> None:
        """Record one sample."""
        self._streams["samples"].append(row)

    def event(self, row: Event) -> None:
        """Record one event."""
        self._streams["events"].append(row)

    def update(self, **entries: Any) -> None:
        """Put entries into the manifest and write it."""
        self.manifest.update(entries)
        self._write_manifest()

    def flush(self) -> None:
        """Write all rows recorded so far."""
        for stream in self._streams.values():
            stream.flush()

    def close(self, state: State, **entries: Any) -> None:
        """Rewrite the streams as Parquet and put the final state into the manifest."""
        self._stop.set()
        self._flusher.join()
        for name, stream in self._streams.items():
            stream.close()
            target = self.folder / f"{name}.parquet"
            partial = target.with_suffix(".partial")
            pq.write_table(_read_stream(stream.path).cast(schema(TABLES[name])), partial, compression="zstd")
            partial.replace(target)
        self.update(state=state, ended_utc=utc_text(), **entries)
        for stream in self._streams.values():
            stream.path.unlink()

    def _flush_often(self) -> None:
        while not self._stop.wait(FLUSH_PERIOD_S):
            self.flush()

    def _write_manifest(self) -> None:
        partial = self.folder / "manifest.partial"
        with partial.open("w") as file:
            json.dump(self.manifest, file, indent=2, default=str)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / "manifest.json")


@dataclasses.dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Run:
    """A loaded run. `attempts`, `samples` and `events` have the columns of the classes in `harness.rows`."""

    folder: Path
    manifest: dict[str, Any]
    attempts: pd.DataFrame
    samples: pd.DataFrame
    events: pd.DataFrame

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Load `folder`, also one that a killed run left. RunError if it is none."""
        path = folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
        except FileNotFoundError:
            raise RunError(f"{folder}: no manifest.json, so this is not a run folder") from None
        except json.JSONDecodeError as error:
            raise RunError(f"{path}: not JSON ({error})") from None
        return cls(folder, manifest, **{name: _read_frame(folder, name) for name in TABLES})

    @property
    def complete(self) -> bool:
        """Whether the run came to its planned end."""
        return bool(self.manifest.get("state") == "complete")

    def summary(self) -> pd.DataFrame:
        """One row for each arm and phase: `harness.analysis.summarise`."""
        from harness.analysis import summarise  # noqa: PLC0415  (analysis imports this module)

        return summarise(self)

    def lambda_metrics(self) -> pd.DataFrame:
        """What CloudWatch would show of each function, a row a minute: `harness.analysis.lambda_metrics`."""
        from harness.analysis.lambda_metrics import lambda_metrics  # noqa: PLC0415  (as above)

        return lambda_metrics(self)

    def idle(self) -> pd.DataFrame:
        """What containers use while nothing is to be done: `harness.analysis.idle`."""
        from harness.analysis.idle import idle  # noqa: PLC0415  (as above)

        return idle(self)

    def services(self) -> pd.DataFrame:
        """What services did beside answering: `harness.analysis.services`."""
        from harness.analysis.services import service_log  # noqa: PLC0415  (as above)

        return service_log(self)

    def instances(self) -> pd.DataFrame:
        """Every instance that batch launched, with its idle share: `harness.analysis.instances`."""
        from harness.analysis.instances import instances  # noqa: PLC0415  (as above)

        return instances(self)

    def sizes(self) -> pd.DataFrame:
        """Every size of a sweep, with its time and cost: `harness.tuning.picture`. Empty where the run is none."""
        import pandas as pd  # noqa: PLC0415  (as in _read_frame)

        from harness.tuning.picture import picture_of  # noqa: PLC0415  (as above)

        picture = picture_of(self)
        return pd.DataFrame() if picture is None else picture.sizes


def utc_text() -> str:
    """Now, as ISO 8601 in UTC with seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def folder_name(scenario: str) -> str:
    """Name of a new run folder: UTC time, then scenario."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%fZ}-{scenario}"


def _read_frame(folder: Path, name: str) -> pd.DataFrame:
    """A table as pandas, column after column, so that no more than one of them is in memory twice."""
    import pandas as pd  # noqa: PLC0415  (half a second, and a run in progress needs none of it)

    parquet, stream = folder / f"{name}.parquet", folder / f"{name}.arrows"
    wanted = schema(TABLES[name])
    if parquet.exists():
        with pq.ParquetFile(parquet) as file:
            columns = {field.name: _column(_read_column(file, field), field) for field in wanted}
    else:
        table = _read_stream(stream) if stream.exists() else wanted.empty_table()
        columns = {field.name: _column(_conform(table, field), field) for field in wanted}
    return pd.DataFrame(columns, copy=False)


def _read_column(file: pq.ParquetFile, field: pa.Field) -> pa.ChunkedArray:
    names = [field.name] if field.name in file.schema_arrow.names else []
    # Without a column to read the table has no rows either, so any other one gives their number.
    table = file.read(names) if names else file.read(file.schema_arrow.names[:1])
    return _conform(table, field)


def _conform(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """The wanted type; a column that the run did not know yet is null, or 0 where it may not be."""
    if field.name in table.column_names:
        return table.column(field.name).cast(field.type)
    if field.nullable:
        return pa.chunked_array([pa.nulls(len(table), field.type)])
    return pa.chunked_array([pa.repeat(pa.scalar(0, field.type), len(table))])


def _column(values: pa.ChunkedArray, field: pa.Field) -> pd.Series:
    """A pandas column with memory of its own."""
    if pa.types.is_dictionary(field.type):
        values = values.unify_dictionaries()
    series: pd.Series = values.to_pandas()
    return series


def _read_stream(path: Path) -> pa.Table:
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
