"""What spoils a cell, in rows made for it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from harness.analysis.validity import validity_of

S = 10**9
QUIET: dict[str, Any] = {
    "window_s": 10.0, "steal_s": 0.0, "harness_cpu_s": 0.5, "foreign_cpu_s": 0.1, "foreign_most": "cron",
}  # fmt: skip


def a_cell(late_s: float = 0.0002, stretch: float = 1.0, latency_s: float = 0.02) -> pd.DataFrame:
    """A hundred items, one each 100 ms."""
    due_ns = pd.Series(range(100)) * S // 10
    sent_ns = (due_ns * stretch + late_s * S).astype("int64")
    return pd.DataFrame({
        "block": 0, "arm": "function", "phase": "steady", "due_ns": due_ns, "sent_ns": sent_ns,
        "latency_s": latency_s, "late_s": (sent_ns - due_ns) / S,
    })  # fmt: skip


def judged(cell: pd.DataFrame, **load: Any) -> Any:
    event = {
        "block": 0,
        "arm": "function",
        "phase": "steady",
        "kind": "phase_ended",
        "detail": json.dumps(QUIET | load),
    }
    return validity_of(cell, pd.DataFrame([event]), cores=2).iloc[0]


def test_a_quiet_cell_is_valid_and_its_figures_are_told() -> None:
    row = judged(a_cell())
    assert row["valid"]
    assert row["reason"] == ""
    assert row["lateness_p99_s"] == pytest.approx(0.0002, abs=1e-5)
    assert row["rate_error"] == pytest.approx(0, abs=1e-6)
    assert row["generator_cpu"] == pytest.approx(0.05)
    assert row["foreign"] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("changes", "load", "told"),
    [
        ({"late_s": 0.005}, {}, "the harness was late: p99 of sent - due 5.00 ms, limit 2.00 ms"),
        ({"stretch": 1.002}, {}, "items were not sent at the intended rate: 0.2 % off"),
        ({}, {"harness_cpu_s": 9.0}, "the harness itself used 90 % of a core, limit 80 %"),
        ({}, {"steal_s": 2.0}, "other machines took 10 % of the cores (steal), limit 5 %"),
        ({}, {"foreign_cpu_s": 3.0, "foreign_most": "cc1"}, "other processes took 15 % of the cores, limit 5 %, most"),
    ],
)  # fmt: skip
def test_each_thing_that_spoils_a_cell_is_named(
    changes: dict[str, float], load: dict[str, Any], told: str
) -> None:
    row = judged(a_cell(**changes), **load)
    assert not row["valid"]
    assert told in row["reason"]


def test_lateness_that_is_little_beside_the_latency_does_not_matter() -> None:
    assert judged(a_cell(late_s=0.005, latency_s=0.2))["valid"]


def test_a_short_window_has_an_allowance_for_ticks() -> None:
    assert judged(a_cell(), window_s=0.2, harness_cpu_s=0.05, steal_s=0.03, foreign_cpu_s=0.03)["valid"]


def test_runs_that_did_not_note_the_load_are_judged_by_the_rest() -> None:
    event = {"block": 0, "arm": "function", "phase": "steady", "kind": "phase_ended", "detail": ""}
    row = validity_of(a_cell(), pd.DataFrame([event]), cores=2).iloc[0]
    assert row["valid"]
    assert pd.isna(row["steal"])
