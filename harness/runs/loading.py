"""Loads a run folder as pandas, also one that a killed run left."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.runs.tables import TABLES, RunError, read_stream, schema

if TYPE_CHECKING:
    import pandas as pd


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


def _read_frame(folder: Path, name: str) -> pd.DataFrame:
    """A table as pandas, column after column, so that no more than one of them is in memory twice."""
    import pandas as pd  # noqa: PLC0415  (half a second, and a run in progress needs none of it)

    parquet, stream = folder / f"{name}.parquet", folder / f"{name}.arrows"
    wanted = schema(TABLES[name])
    if parquet.exists():
        with pq.ParquetFile(parquet) as file:
            columns = {field.name: _column(_read_column(file, field), field) for field in wanted}
    else:
        table = read_stream(stream) if stream.exists() else wanted.empty_table()
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
