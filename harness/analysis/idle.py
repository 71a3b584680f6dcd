"""What an arm's containers use while nothing is to be done: what keeping them up costs by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.cells import arms
from harness.analysis.once import once
from harness.rows import NO_BLOCK
from harness.runs import Run

# What the containers of a placement are called.
CONTAINERS = {"function": "environments", "batch": "jobs", "service": "tasks"}
COLUMNS = ["arm", "part", "containers", "observed_s", "cpu_cores", "memory_bytes"]
# Less than this of one container's idle time says nothing.
LEAST_S = 0.5
# What stands before a service has its samples under an arm of its own.
BALANCER = "-balancer"
NOTHING = np.empty((0, 2), dtype=np.int64)


@once
def idle(run: Run) -> pd.DataFrame:
    """One row for each arm and part (one of CONTAINERS, or `load balancer`) that was seen idle: COLUMNS.

    Idle are the times between two readings of a container in which its arm had no item, sent or in hand.
    `observed_s` sums them over containers, `containers` is how many there were at once, at the mean; `cpu_cores` and
    `memory_bytes` are means of one container.
    """
    samples = run.samples[(run.samples["container"] != "host") & (run.samples["block"] > NO_BLOCK)]
    columns = ["block", "arm", "container", "at_ns", "cpu_s", "memory_bytes"]
    samples = samples[columns].astype({"arm": str, "container": str})
    samples["of"] = samples["arm"].str.removesuffix(BALANCER)
    samples = samples.merge(_windows(run).rename(columns={"arm": "of"}), on=["block", "of"])
    samples = samples[samples["at_ns"].between(samples["ready_ns"], samples["over_ns"])]
    busy = _busy(run)
    rows = []
    for name, about in arms(run).items():
        containers = CONTAINERS.get(about["placement"], "containers")
        for part, samples_arm in ((containers, name), ("load balancer", name + BALANCER)):
            spans = [
                _idle_spans(own, busy.get((int(own["block"].iloc[0]), name), NOTHING))
                for _, own in samples[samples["arm"] == samples_arm].groupby(["block", "container"])
            ]
            row = _row(pd.concat(spans)) if spans else None
            if row is not None:
                rows.append({"arm": name, "part": part} | row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _busy(run: Run) -> dict[tuple[int, str], NDArray[np.int64]]:
    """By block and arm, the disjoint times in which it had an item: starts and ends, UTC ns, in order."""
    found: dict[tuple[int, str], NDArray[np.int64]] = {}
    attempts = run.attempts[["block", "arm", "sent_ns", "done_ns"]]
    for (block, arm), own in attempts.groupby(["block", "arm"], observed=True):
        ordered = own.sort_values("sent_ns")
        starts, ends = ordered["sent_ns"].to_numpy(), np.maximum.accumulate(ordered["done_ns"].to_numpy())
        first = np.concatenate([[True], starts[1:] > ends[:-1]])
        last = np.concatenate([first[1:], [True]])
        found[int(str(block)), str(arm)] = np.column_stack([starts[first], ends[last]])
    return found


def _idle_spans(samples: pd.DataFrame, busy: NDArray[np.int64]) -> pd.DataFrame:
    """Of one container: seconds, cpu_s and memory_bytes of each time between two readings that was idle."""
    # A container that has ended still has its counters, and uses nothing: its readings have no memory.
    ordered = samples.dropna(subset=["cpu_s", "memory_bytes"]).sort_values("at_ns")
    at_ns = ordered["at_ns"].to_numpy()
    over = np.searchsorted(busy[:, 1], at_ns[:-1], side="right")
    begun = np.searchsorted(busy[:, 0], at_ns[1:], side="left")
    quiet = over == begun
    spans = pd.DataFrame(
        {
            "seconds": np.diff(at_ns) / 1e9,
            "cpu_s": np.diff(ordered["cpu_s"].to_numpy(dtype="float64")),
            "memory_bytes": ordered["memory_bytes"].to_numpy(dtype="float64")[1:],
            "from_ns": at_ns[:-1],
        }
    )
    result: pd.DataFrame = spans[quiet]
    return result


def _windows(run: Run) -> pd.DataFrame:
    """By block and arm, from when it was ready to the end of its last phase: starting and stopping are no idling."""
    events = run.events.astype({"arm": str, "kind": str})
    moments = [
        events[events["kind"] == kind].groupby(["block", "arm"])["at_ns"].agg(which).rename(name)
        for kind, which, name in (("arm_ready", "min", "ready_ns"), ("phase_ended", "max", "over_ns"))
    ]
    return pd.concat(moments, axis=1, join="inner").reset_index()


def _row(spans: pd.DataFrame) -> dict[str, float] | None:
    """The means; None where too little was seen."""
    observed_s = float(spans["seconds"].sum())
    if observed_s < LEAST_S:
        return None
    # Containers that idle at the same time are read at the same times, to within the sampler's period.
    once_s = float(spans.assign(tick=spans["from_ns"] // 50_000_000).groupby("tick")["seconds"].max().sum())
    return {
        "containers": observed_s / once_s,
        "observed_s": observed_s,
        "cpu_cores": float(spans["cpu_s"].sum()) / observed_s,
        "memory_bytes": float(np.average(spans["memory_bytes"], weights=spans["seconds"])),
    }
