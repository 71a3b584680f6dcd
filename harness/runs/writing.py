"""Writes a run folder as the run goes."""

from __future__ import annotations

import datetime
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from harness.rows import Attempt, Event, Sample
from harness.runs.tables import TABLES, RunError, State, read_stream, schema

FLUSH_PERIOD_S = 0.5


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
            pq.write_table(read_stream(stream.path).cast(schema(TABLES[name])), partial, compression="zstd")
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


def utc_text() -> str:
    """Now, as ISO 8601 in UTC with seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def folder_name(scenario: str) -> str:
    """Name of a new run folder: UTC time, then scenario."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%fZ}-{scenario}"
