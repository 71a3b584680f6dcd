"""The result as JSON values, for programs."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from harness.report.contents import Contents
from harness.tuning.choice import choices
from harness.tuning.question import KEY


def as_json(contents: Contents) -> dict[str, Any]:
    """Run, state, sentences and the tables, of a sweep also sizes and choices; what is unknown is null."""
    run = contents.run
    told = {
        "run": run.manifest.get("run"),
        "state": run.manifest.get("state"),
        "folder": str(run.folder),
        "notes": contents.banners(),
        "sentences": contents.sentences,
        "summary": as_records(contents.summary),
        "comparison": as_records(contents.comparison),
        "cost": as_records(contents.cost),
        "bill": as_records(contents.bill),
        "month": as_records(contents.month),
        "break_even": as_records(contents.break_even),
        "objectives": as_records(contents.objectives),
    }
    if contents.picture is not None:
        told["tune"] = {
            "question": contents.picture.question.told(),
            "sizes": as_records(contents.picture.sizes),
            "choices": as_records(choices(contents.picture)),
            "search": run.manifest[KEY]["search"],
        }
    return told


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of plain values: pandas knows best how to say NaN and NumPy numbers in JSON."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records
