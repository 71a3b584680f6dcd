"""What every exporter offers: tables in, files out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd


class Exporter(Protocol):
    """One file format. A format that holds many tables in a file has `one_file`."""

    suffix: str
    one_file: bool

    def write(self, tables: Mapping[str, pd.DataFrame], path: Path) -> None:
        """Write `tables` to the file `path`, over whatever was there; a single one unless `one_file`.

        ExportError where the format cannot hold them, before anything is written.
        """
        ...
