"""From what the placement and the workload saw to one attempt row: the same arithmetic for every placement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.measure.usage import Usage
from harness.placements.base import Bench, Launched, Work
from harness.rows import Attempt, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdParts:
    """Parts of a cold start, in seconds; all 0 for a warm attempt."""

    pull_s: float = 0.0
    create_s: float = 0.0
    start_s: float = 0.0
    init_s: float = 0.0

    @classmethod
    def of(cls, launched: Launched, ready_ns: int) -> ColdParts:
        """Pull, create and start as the engine's calls took, init from then until `ready_ns` (UTC)."""
        return cls(
            pull_s=(launched.pulled_ns - launched.begun_ns) / 1e9,
            create_s=(launched.created_ns - launched.pulled_ns) / 1e9,
            start_s=(launched.started_ns - launched.created_ns) / 1e9,
            init_s=(ready_ns - launched.started_ns) / 1e9,
        )

    def __add__(self, other: ColdParts) -> ColdParts:
        """Of two cold starts that one attempt waited for."""
        return ColdParts(
            pull_s=self.pull_s + other.pull_s,
            create_s=self.create_s + other.create_s,
            start_s=self.start_s + other.start_s,
            init_s=self.init_s + other.init_s,
        )

    @property
    def total_s(self) -> float:
        """The whole cold start."""
        return self.pull_s + self.create_s + self.start_s + self.init_s


WARM = ColdParts()


def attempt(
    bench: Bench,
    work: Work,
    placement: str,
    *,
    outcome: Outcome,
    done_ns: int,
    error: str = "",
    result: dict[str, Any] | None = None,
    queue_s: float | None = None,
    cold: ColdParts | None = None,
    number: int = 1,
    duration_s: float | None = None,
    billed_s: float | None = None,
    memory_peak_bytes: int | None = None,
    container_cpu_s: float | None = None,
    container: str = "",
) -> Attempt:
    """One row. `result` is the workload's own account (`workloads.kit.step.ItemResult` as JSON), if it gave one.

    `number` counts the tries at the item; `cold` is None for a warm one. Without `queue_s` the queue is all the time
    between sending and the workload's first line that is not part of a cold start. The parts and `other_s` add up to
    the latency by construction; an `other_s` below zero means that some part was measured on another clock.
    """
    parts = cold or WARM
    result = result or {}
    started_ns = bench.clock.from_monotonic(result["started_ns"]) if result else done_ns
    if queue_s is None:
        queue_s = max(0.0, (started_ns - work.sent_ns) / 1e9 - parts.total_s)
    latency_s = (done_ns - work.due_ns) / 1e9
    fetch_s, work_s, store_s = (float(result.get(name, 0.0)) for name in ("fetch_s", "work_s", "store_s"))
    answer_s = (done_ns - bench.clock.from_monotonic(result["done_ns"])) / 1e9 if result else 0.0
    known_s = queue_s + parts.total_s + fetch_s + work_s + store_s + answer_s
    return Attempt(
        run=bench.run,
        block=bench.block,
        arm=bench.arm,
        placement=placement,
        phase=work.phase,
        warmup=bench.warmup,
        item=work.item,
        sequence=work.sequence,
        attempt=number,
        due_ns=work.due_ns,
        sent_ns=work.sent_ns,
        started_ns=started_ns,
        done_ns=done_ns,
        latency_s=latency_s,
        service_s=(done_ns - work.sent_ns) / 1e9,
        cold=cold is not None,
        queue_s=queue_s,
        pull_s=parts.pull_s,
        create_s=parts.create_s,
        start_s=parts.start_s,
        init_s=parts.init_s,
        fetch_s=fetch_s,
        work_s=work_s,
        store_s=store_s,
        answer_s=answer_s,
        other_s=latency_s - known_s,
        handler_s=(result["done_ns"] - result["started_ns"]) / 1e9 if result else None,
        duration_s=duration_s,
        billed_s=billed_s,
        cpu_s=result.get("cpu_s"),
        container_cpu_s=container_cpu_s,
        memory_peak_bytes=memory_peak_bytes,
        bytes_in=int(result.get("bytes_in", 0)),
        bytes_out=int(result.get("bytes_out", 0)),
        container=container,
        outcome=outcome.value,
        error=error,
    )


def drop(bench: Bench, work: Work, placement: str, max_in_flight: int) -> None:
    """Record that the driver could not hand the item over."""
    error = f"{max_in_flight} items were in flight already (max_in_flight)"
    row = attempt(bench, work, placement, outcome=Outcome.DROPPED, error=error, done_ns=work.sent_ns)
    bench.recorder.attempt(row)


def cpu_between(before: Usage | None, after: Usage | None) -> float | None:
    """CPU seconds from one reading of a container to the next; None where either is not known."""
    if before is None or after is None or before.cpu_s is None or after.cpu_s is None:
        return None
    return after.cpu_s - before.cpu_s


def unreadable(result: Any) -> str:
    """What is wrong with a workload's account of an item; empty if nothing is."""
    if not isinstance(result, dict):
        return f"the answer is not an account of the item: {str(result)[:200]}"
    missing = [name for name in ("started_ns", "done_ns") if not isinstance(result.get(name), int)]
    return f"the answer lacks {' and '.join(missing)}: {str(result)[:200]}" if missing else ""
