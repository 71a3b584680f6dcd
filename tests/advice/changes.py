"""Runs that differ in a few things from one that was made or measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.advice import Advice
from harness.runs import Run


def having(run: Run, attempts: Any = None, events: Any = None, **scenario: Any) -> Run:
    """The same run with other keys of its scenario, and other rows."""
    manifest = run.manifest | {"scenario": run.manifest["scenario"] | scenario}
    return replace(
        run,
        manifest=manifest,
        attempts=run.attempts if attempts is None else attempts,
        events=run.events if events is None else events,
    )


def changed(run: Run, arm: str, **columns: Any) -> Any:
    """Attempts with other values in some columns of one arm; a category may be new."""
    rows = run.attempts.copy()
    for name, value in columns.items():
        if isinstance(value, str):
            rows[name] = rows[name].astype(str)
        rows.loc[rows["arm"] == arm, name] = value
    return rows


def failing(run: Run, arm: str, every: int) -> Any:
    """Attempts of which each so many of an arm's failed."""
    rows = run.attempts.copy()
    rows["outcome"] = rows["outcome"].astype(str)
    rows.loc[rows.index[(rows["arm"] == arm) & (rows["block"] >= 0)][::every], "outcome"] = "error"
    return rows


def kinds(found: Advice, arm: str) -> set[str]:
    """Why an arm is ruled out."""
    return {each.kind for each in found.exclusions if each.arm == arm}


def best(found: Advice) -> str | None:
    """The arm that is advised."""
    return found.best.arm if found.best else None
