"""Rows with everything filled in, for tests that care about a few columns only."""

from __future__ import annotations

from typing import Any

from harness.rows import Attempt, Event, Sample


def an_attempt(**changes: Any) -> Attempt:
    row: dict[str, Any] = {
        "run": "r", "block": 0, "arm": "function", "placement": "function", "phase": "steady", "warmup": False,
        "item": "a.jpg", "sequence": 0, "attempt": 1, "due_ns": 0, "sent_ns": 1_000, "started_ns": 2_000,
        "done_ns": 50_000_000, "latency_s": 0.05, "service_s": 0.05, "cold": False, "queue_s": 0.0,
        "pull_s": 0.0, "create_s": 0.0, "start_s": 0.0, "init_s": 0.0, "fetch_s": 0.01, "work_s": 0.03,
        "store_s": 0.005, "answer_s": 0.002, "other_s": 0.003, "handler_s": 0.045, "duration_s": 0.048,
        "billed_s": 0.05, "cpu_s": 0.03, "container_cpu_s": 0.04, "memory_peak_bytes": 60_000_000,
        "bytes_in": 1000, "bytes_out": 100, "container": "c", "outcome": "ok", "error": "",
    }  # fmt: skip
    return Attempt(**(row | changes))


def an_event(**changes: Any) -> Event:
    row: dict[str, Any] = {
        "run": "r", "block": 0, "arm": "function", "phase": "", "at_ns": 0, "kind": "arm_started",
        "container": "", "duration_s": None, "detail": "",
    }  # fmt: skip
    return Event(**(row | changes))


def a_sample(**changes: Any) -> Sample:
    row: dict[str, Any] = {"run": "r", "container": "c", "at_ns": 0}
    return Sample(**(row | changes))
