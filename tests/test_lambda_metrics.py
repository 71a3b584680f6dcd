"""The table of metrics as CloudWatch would have them, from rows that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import load
from harness.runs import RunWriter
from tests.rows import an_attempt, an_event

MINUTE_NS = 60_000_000_000
BEGIN_NS = 30_000_000 * MINUTE_NS


def test_metrics_of_each_minute(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", {})
    tries: list[tuple[float, float | None, dict[str, Any]]] = [
        (10.0, 2.0, {"cold": True, "init_s": 0.3}),
        (10.5, 1.0, {}),
        (11.0, 0.5, {"outcome": "error"}),
        (61.0, 3.0, {"outcome": "timeout"}),
        (62.0, None, {"outcome": "throttled", "billed_s": None}),
    ]
    for at_s, duration_s, more in tries:
        done_ns = BEGIN_NS + round(at_s * 1e9)
        writer.attempt(an_attempt(done_ns=done_ns, duration_s=duration_s, **more))
    writer.attempt(an_attempt(done_ns=BEGIN_NS, duration_s=9.0, block=-1))
    writer.attempt(an_attempt(done_ns=BEGIN_NS, duration_s=None, placement="batch", arm="batch"))
    for kind, at_s in (("throttled", 62), ("throttled", 130), ("dead_letter", 131)):
        writer.event(an_event(kind=kind, at_ns=BEGIN_NS + at_s * 1_000_000_000))
    writer.close("complete")
    table: Any = load(tmp_path / "r").lambda_metrics()
    assert table["arm"].tolist() == ["function"] * 3
    assert table["Invocations"].tolist() == [3, 1, 0]
    assert table["Errors"].tolist() == [1, 1, 0]
    assert table["Throttles"].tolist() == [0, 1, 1]
    assert table["DeadLetters"].tolist() == [0, 0, 1]
    # From 8.0 to 10.0, 9.5 to 10.5 and 10.5 to 11.0; then from 58.0, in the minute before, to 61.0.
    assert table["ConcurrentExecutions"].tolist() == [2, 1, 0]
    assert table["DurationAverage_ms"].tolist()[:2] == pytest.approx([3500 / 3, 3000])
    assert table["DurationMaximum_ms"].tolist()[:2] == [2000, 3000]
    assert table["InitDurationAverage_ms"].tolist()[0] == pytest.approx(300)
    assert (table["start_utc"].astype("int64") // MINUTE_NS).tolist()[0] * MINUTE_NS == BEGIN_NS


def test_a_run_without_functions_has_none(tmp_path: Path) -> None:
    RunWriter(tmp_path / "r", {}).close("complete")
    assert load(tmp_path / "r").lambda_metrics().empty
