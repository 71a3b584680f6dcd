"""A run's tables for other programs: a file a table, or a workbook; a format is one file here and one line below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.export.base import Exporter
from harness.export.tables import COLUMNS, NAMES, ExportError, columns, tables
from harness.export.to_csv import Csv
from harness.export.to_json import Json
from harness.export.to_parquet import Parquet
from harness.export.to_xlsx import Xlsx
from harness.runs import Run

__all__ = ["FORMATS", "NAMES", "ExportError", "export"]

FORMATS: dict[str, Exporter] = {"csv": Csv(), "json": Json(), "parquet": Parquet(), "xlsx": Xlsx()}


def export(run: Run, form: str, names: Sequence[str] = (), out: Path | None = None) -> list[Path]:
    """Write tables of `run` as `form`, one of FORMATS, and return the files.

    Without `names` it is every table that has rows. They go into the folder `out` (default: `<run>-<form>` here), with
    `columns`, which has types, units and meanings; a workbook is the file `out` (default: `<run>.xlsx`), and a single
    table is, where `out` ends in the format's suffix. ExportError where that cannot be.
    """
    exporter = FORMATS[form]
    made = tables(run, names)
    if not exporter.one_file and out is not None and out.suffix == exporter.suffix:
        if len(made) != 1:
            raise ExportError(
                f"{out}: one file holds one table, and there are {len(made)}; name a folder, or one --table"
            )
        return [_write(exporter, made, out)]
    made[COLUMNS] = columns(made)
    if exporter.one_file:
        return [_write(exporter, made, out or Path(f"{run.folder.resolve().name}{exporter.suffix}"))]
    folder = out or Path(f"{run.folder.resolve().name}-{form}")
    return [_write(exporter, {name: made[name]}, folder / f"{name}{exporter.suffix}") for name in made]


def _write(exporter: Exporter, made: dict[str, pd.DataFrame], path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        exporter.write(made, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path
