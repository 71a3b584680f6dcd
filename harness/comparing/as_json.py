"""A comparison as JSON values, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.comparing.comparison import Comparison
from harness.comparing.sentences import sentences
from harness.report.as_json import as_records


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Runs, differing conditions, every ratio, what was judged; what is unknown, or infinite, is null."""
    return {
        "base": comparison.labels[0],
        "runs": [
            {"label": label, "folder": str(run.folder), "state": run.manifest.get("state")}
            for label, run in zip(comparison.labels, comparison.runs, strict=True)
        ],
        "banners": comparison.banners,
        "differing_conditions": [
            asdict(each) | {"values": dict(zip(comparison.labels, each.values, strict=True))}
            for each in comparison.conditions
        ],
        "notes": comparison.notes,
        "sentences": sentences(comparison),
        "ratios": as_records(comparison.table),
        "fail_on": as_records(comparison.judged),
        "failed": comparison.failed,
    }
