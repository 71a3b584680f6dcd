"""The arithmetic that every placement's rows come from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import RunClock
from harness.measure.usage import Usage
from harness.placements.attempts import ColdParts, attempt, cpu_between, drop, unreadable
from harness.placements.base import Work
from harness.placements.function.recorded import item_result
from harness.rows import Outcome
from tests.fakes import Ledger, a_bench

PARTS = ("queue", "pull", "create", "start", "init", "fetch", "work", "store", "answer", "other")
seconds = st.floats(0, 100)


@given(
    late_s=st.floats(0, 0.1), queue_s=st.none() | seconds, pull_s=seconds, create_s=seconds, start_s=seconds,
    init_s=seconds, fetch_s=seconds, work_s=seconds, store_s=seconds, answer_s=seconds, cold=st.booleans(),
    finished=st.booleans(),
)  # fmt: skip
def test_parts_and_other_add_up_to_the_latency(
    late_s: float, queue_s: float | None, pull_s: float, create_s: float, start_s: float, init_s: float, fetch_s: float,
    work_s: float, store_s: float, answer_s: float, cold: bool, finished: bool,
) -> None:  # fmt: skip
    clock = RunClock()
    parts = ColdParts(pull_s=pull_s, create_s=create_s, start_s=start_s, init_s=init_s) if cold else None
    work = Work(item="a.jpg", sequence=0, phase="p", due_ns=10**18, sent_ns=10**18 + round(late_s * 1e9))
    waited_s = (queue_s or 0.0) + (parts.total_s if parts else 0.0)
    started_ns = work.sent_ns + round(waited_s * 1e9)
    ended_ns = started_ns + round((fetch_s + work_s + store_s) * 1e9)
    done_ns = ended_ns + round(answer_s * 1e9)
    result = {
        "started_ns": started_ns - clock.offset_ns, "done_ns": ended_ns - clock.offset_ns, "fetch_s": fetch_s,
        "work_s": work_s, "store_s": store_s,
    }  # fmt: skip
    row = attempt(
        a_bench(Ledger(), clock), work, "fake", outcome=Outcome.OK, done_ns=done_ns,
        result=result if finished else None, queue_s=queue_s, cold=parts,
    )  # fmt: skip
    assert sum(getattr(row, f"{part}_s") for part in PARTS) == pytest.approx(row.latency_s, abs=1e-6)
    assert row.latency_s == pytest.approx((done_ns - work.due_ns) / 1e9)
    if finished:
        assert row.other_s == pytest.approx(late_s, abs=0.001), "all but the driver's lateness is known"


def test_a_clock_that_is_off_is_corrected_for() -> None:
    clock = RunClock()
    clock.remote_offset_ns = 5_000_000_000
    assert clock.from_monotonic(7_000_000_000) == 2_000_000_000 + clock.offset_ns


def test_a_dropped_item_is_a_row_that_says_why() -> None:
    ledger = Ledger()
    work = Work(item="a.jpg", sequence=3, phase="p", due_ns=10, sent_ns=20)
    drop(a_bench(ledger, RunClock()), work, "function", 100)
    (row,) = ledger.attempts
    assert (row.outcome, row.placement, row.sequence, row.done_ns) == ("dropped", "function", 3, 20)
    assert "100 items were in flight" in row.error


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (Usage(cpu_s=1.0), Usage(cpu_s=1.25), 0.25),
        (None, Usage(cpu_s=1.0), None),
        (Usage(cpu_s=1.0), None, None),
        (Usage(), Usage(cpu_s=1.0), None),
    ],
)
def test_cpu_between_readings_is_known_only_with_both(before: Any, after: Any, found: float | None) -> None:
    assert cpu_between(before, after) == found


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"not json", "not an account of the item: not json"),
        (b'{"results": []}', "not an account of the item"),
        (b'["results"]', "not an account of the item"),
        (b'{"results": [{"item": "a"}]}', "lacks started_ns and done_ns"),
        (b'{"results": [{"started_ns": 1, "done_ns": "x"}]}', "lacks done_ns"),
        (b'{"results": [{"started_ns": 1, "done_ns": 2}]}', ""),
    ],
)
def test_an_answer_that_is_no_account_is_an_error_and_not_a_crash(body: bytes, wrong: str) -> None:
    result, told = item_result(body)
    assert wrong in told
    assert bool(told) == bool(wrong)
    assert (result is None) == bool(wrong)
    assert unreadable([1]) != ""
