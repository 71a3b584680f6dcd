"""The example that comes with the repository has what the report's page speaks of: it was recorded by this version."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.analysis.instances import KINDS as INSTANCES

# What the page says, and the kinds of events without which that is empty talk, by arm.
SPOKEN_OF: dict[str, dict[str, set[str]]] = {
    "frozen": {"function": {"container_frozen", "container_thawed"}},
    "load balancer": {"service-balancer": {"container_started", "container_ended"}},
    "instance": {
        "batch": {*INSTANCES, "job_placed", "job_state"},
        "service": {*INSTANCES, "task_placed"},
    },
    "healthy before the first item": {
        "service": {"task_state", "deployment_started", "deployment_completed"}
    },
}


def missing(events: pd.DataFrame, wanted: dict[str, set[str]]) -> dict[str, list[str]]:
    """By arm, the kinds that it has none of."""
    had = events.astype({"arm": str, "kind": str}).groupby("arm")["kind"].agg(set).to_dict()
    lacking = {arm: sorted(kinds - had.get(arm, set())) for arm, kinds in wanted.items()}
    return {arm: kinds for arm, kinds in lacking.items() if kinds}


@pytest.mark.parametrize("words", SPOKEN_OF)
def test_the_example_has_the_events_that_its_page_speaks_of(root: Path, words: str) -> None:
    example = root / "results" / "example"
    assert words in (example / "report.html").read_text(encoding="utf-8"), "the page no longer says so"
    lacking = missing(pd.read_parquet(example / "events.parquet"), SPOKEN_OF[words])
    assert lacking == {}, (
        f"it was recorded before there were such events: record results/example again ({words})"
    )
