"""Parquet, as a run's own files are: exact types, and what a column holds in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.export.tables import documented


class Parquet:
    """One table a file."""

    suffix = ".parquet"
    one_file = False

    def write(self, tables: Mapping[str, pd.DataFrame], path: Path) -> None:
        """See `base.Exporter`."""
        ((name, table),) = tables.items()
        docs = documented(name)
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        fields = [
            field.with_metadata({"doc": docs[field.name]}) if field.name in docs else field
            for field in arrow.schema
        ]
        pq.write_table(arrow.cast(pa.schema(fields, arrow.schema.metadata)), path, compression="zstd")
