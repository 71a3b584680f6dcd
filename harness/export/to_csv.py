"""CSV: UTF-8, comma, a heading, nothing for what is missing; floating-point figures with all the digits they have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd


class Csv:
    """One table a file. Types and units are in `columns.csv`."""

    suffix = ".csv"
    one_file = False

    def write(self, tables: Mapping[str, pd.DataFrame], path: Path) -> None:
        """See `base.Exporter`."""
        (table,) = tables.values()
        table.to_csv(path, index=False)
