"""The objectives as JUnit XML, which every CI system shows: missed is a failure, undecided is skipped."""

from __future__ import annotations

from typing import Any

import pandas as pd
from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.analysis.records import records
from harness.runs import Run


def junit(run: Run, verdicts: pd.DataFrame) -> str:
    """One suite, named after the scenario, with a case for each row of `judgement.judge`."""
    manifest = run.manifest
    scenario = str((manifest.get("scenario") or {}).get("name") or run.folder.name)
    suite = TestSuite(scenario)
    for name, value in _properties(manifest).items():
        suite.add_property(name, str(value))
    for row in records(verdicts):
        case = TestCase(f"{row.phase}: {row.objective}", f"{scenario}.{row.arm}")
        told = _told(row)
        if row.verdict == "missed":
            case.result = [Failure(told)]
        elif row.verdict == "undecided":
            case.result = [Skipped(f"undecided: {told}")]
        suite.add_testcase(case)
    whole: Any = JUnitXml()
    whole.add_testsuite(suite)
    whole.update_statistics()
    return str(whole.tostring().decode())


def _properties(manifest: dict[str, Any]) -> dict[str, Any]:
    engine = (manifest.get("engine") or {}).get("name")
    return {
        "run": manifest.get("run"),
        "seed": manifest.get("seed"),
        "engine": engine,
        "state": manifest.get("state"),
    }


def _told(row: Any) -> str:
    if pd.isna(row.value):
        return f"{row.objective}: {row.reason}"
    interval = "" if pd.isna(row.low) else f" ({row.low:.4g} to {row.high:.4g})"
    reason = f"; {row.reason}" if row.reason else ""
    return f"{row.objective}: found {row.value:.4g}{interval}{reason}"
