"""The result as JSON values, for programs."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from harness.report.contents import Contents
from harness.runs import Run


def as_json(run: Run) -> dict[str, Any]:
    """Run, state, sentences and the tables; what is unknown is null."""
    contents = Contents(run)
    return {
        "run": run.manifest.get("run"),
        "state": run.manifest.get("state"),
        "folder": str(run.folder),
        "notes": contents.banners(),
        "sentences": contents.sentences,
        "summary": as_records(contents.summary),
        "comparison": as_records(contents.comparison),
        "cost": as_records(contents.cost),
        "objectives": as_records(contents.objectives),
    }


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of plain values: pandas knows best how to say NaN and NumPy numbers in JSON."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records
