"""The three kinds of row that a run writes, and from which everything else is computed.

A row class is the one place where a column is named, typed and documented: `runs.py` derives the Parquet schema
from it and the docs print it. Times are UTC nanoseconds from the run's one clock (`clock.py`), durations are
seconds, sizes are bytes. A duration that does not apply to a row (a warm attempt has no start) is 0; a quantity that
could not be measured is null, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

# The block of rows that belong to none, and the phase in which the no-op workload is run (session/calibration.py).
NO_BLOCK = -1
OVERHEAD = "overhead"


class Outcome(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    THROTTLED = "throttled"
    DROPPED = "dropped"
    LOST = "lost"


def column(
    doc: str,
    *,
    category: bool = False,
    width: Literal[16, 32, 64] = 64,
    default: Any = ...,
) -> Any:
    """A documented column; `category=True` stores it dictionary-encoded (few distinct values).

    `width` is what is stored of a number: 32 bits of a duration keep seven digits, 60 ns of a second.
    """
    metadata = {"doc": doc, "category": category, "width": width}
    return field(metadata=metadata) if default is ... else field(metadata=metadata, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at one item by one placement."""

    run: str = column("run identifier: the name of the run folder", category=True)
    block: int = column("block number, from 0: one fresh set of containers for each arm", width=32)
    arm: str = column("arm of the comparison: a placement, or the A/A duplicate of one", category=True)
    placement: str = column("kind of placement: function, batch or service", category=True)
    phase: str = column("phase of the scenario, as named there", category=True)
    warmup: bool = column("true in a warm-up block: kept, marked, left out of comparisons")
    item: str = column("key of the item in the input store", category=True)
    sequence: int = column("position of the item in its phase, from 0: pairs rows across arms", width=32)
    attempt: int = column("attempt number at this item, from 1", width=16)
    due_ns: int = column("intended start, from the arrivals")
    sent_ns: int = column("the driver handed the item to the placement")
    started_ns: int = column("the workload began on the item; equals done_ns when it never did")
    done_ns: int = column("result stored and known, or failure known")
    latency_s: float = column("done - due: what someone waiting for the item sees", width=32)
    service_s: float = column("done - sent: without the driver's own lateness", width=32)
    cold: bool = column("this attempt waited for a container to be made for it")
    queue_s: float = column("waiting for a free environment, job slot, batching window or worker", width=32)
    pull_s: float = column("part of a cold start: the engine pulls the image from a registry", width=32)
    create_s: float = column("part of a cold start: the engine creates the container", width=32)
    start_s: float = column("part of a cold start: the engine starts it", width=32)
    init_s: float = column("part of a cold start: the runtime starts and loads the code", width=32)
    fetch_s: float = column("reading the item from the input store", width=32)
    work_s: float = column("the workload's own computation", width=32)
    store_s: float = column("writing result and metadata row", width=32)
    answer_s: float = column(
        "from the workload's last line until the result was known to the harness", width=32
    )
    other_s: float = column("latency not in any part above: driver lateness, dispatch, transport", width=32)
    handler_s: float | None = column(
        "from the workload's first line to its last; null when it never ran", width=32
    )
    duration_s: float | None = column(
        "function only: Lambda's Duration, from the event's delivery to its answer; null elsewhere", width=32
    )
    billed_s: float | None = column(
        "function only: duration that Lambda bills for, INIT included, rounded up to 1 ms; null elsewhere"
    )
    cpu_s: float | None = column("CPU time of the thread that did the work; null when it never ran", width=32)
    container_cpu_s: float | None = column(
        "CPU time of the whole container during this attempt; null where it was shared with others or unreadable",
        width=32,
    )
    memory_peak_bytes: int | None = column("peak memory of the container so far; null if unreadable")
    bytes_in: int = column("bytes read from the input store")
    bytes_out: int = column("bytes written to the output store")
    container: str = column("name of the container that ran it; empty when none did", category=True)
    outcome: str = column("ok, error, timeout, out_of_memory, throttled, dropped or lost", category=True)
    error: str = column("error text; empty when ok", category=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading of one container's counters, or of the host's."""

    run: str = column("run identifier", category=True)
    block: int = column("block number; -1 before the first", default=-1)
    arm: str = column(
        "arm; <arm>-balancer for what stands before it; empty for the host", category=True, default=""
    )
    container: str = column("container name; `host` for the machine", category=True)
    at_ns: int = column("when it was read")
    final: bool = column("true for the reading taken as the container ended", default=False)
    cpu_s: float | None = column("CPU time used so far, user and system", default=None)
    cpu_user_s: float | None = column("of that, in user mode", default=None)
    cpu_system_s: float | None = column("of that, in the kernel", default=None)
    cpu_throttled_s: float | None = column("time stopped by the CPU limit so far", default=None)
    cpu_periods: int | None = column("CPU limit periods so far", default=None)
    cpu_throttled_periods: int | None = column("CPU limit periods in which it was stopped", default=None)
    memory_bytes: int | None = column("memory in use now", default=None)
    memory_anonymous_bytes: int | None = column("of that, anonymous: heap and stack", default=None)
    memory_file_bytes: int | None = column("of that, page cache and shared memory", default=None)
    memory_peak_bytes: int | None = column("highest memory so far", default=None)
    oom_kills: int | None = column("out-of-memory kills so far", default=None)
    read_bytes: int | None = column("bytes read from block devices so far", default=None)
    written_bytes: int | None = column("bytes written to block devices so far", default=None)
    network_in_bytes: int | None = column("bytes received so far", default=None)
    network_out_bytes: int | None = column("bytes sent so far", default=None)
    host_cpu_fraction: float | None = column(
        "host only: share of all cores busy since the last", default=None
    )
    host_steal_fraction: float | None = column("host only: share of time stolen by others", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a container, an arm, a block or the run."""

    run: str = column("run identifier", category=True)
    block: int = column("block number; -1 outside any block")
    arm: str = column("arm; empty outside any", category=True)
    phase: str = column("phase; empty outside any", category=True)
    at_ns: int = column("when it happened")
    kind: str = column("what happened, such as container_started, killed, phase_started", category=True)
    container: str = column("container name; empty when not about one", category=True)
    duration_s: float | None = column("how long it took, where it took time")
    detail: str = column("JSON object with the figures behind it; empty when none")
