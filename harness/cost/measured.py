"""What an item of each arm took, summed by cell (a phase of an arm in one block): all that a price rests on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.cells import CELL, valid_items, valid_tries
from harness.analysis.containers import lives
from harness.analysis.grouped import grouped
from harness.analysis.instances import instances
from harness.analysis.records import records
from harness.cost.terms import MINIMUM_S
from harness.rows import NO_BLOCK
from harness.runs import Run

SUMS = [
    "tries", "ok", "cold", "invocations", "billed_s", "handler_s", "cpu_s", "bytes_out", "span_s", "jobs", "job_s",
    "billed_job_s", "task_s", "busy_s", "instance_s", "busy_instance_s",
]  # fmt: skip


def cell_sums(run: Run, speed_factor: float) -> pd.DataFrame:
    """One row a valid cell outside warm-up: block, arm, phase and SUMS, each a sum over the cell; seconds are AWS's.

    tries, invocations, billed_s, handler_s and cpu_s are of all tries, ok and bytes_out of finished items. span_s is
    how long the items took together, and no shorter than they were spread over. jobs, job_s and billed_job_s (a minute
    each at the least) are of the containers that were made for its items, task_s is the time of tasks while it lasted,
    and busy_s that of a service's tasks in which they had an item in hand.
    instance_s is from launch to end, idle included, of the block's instances, busy_instance_s without idling, both by
    each phase's share of the handlers' time.
    """
    tries, items = valid_tries(run), valid_items(run)
    if tries.empty:
        return pd.DataFrame(columns=[*CELL, *SUMS])
    table, done = _of_tries(tries, speed_factor), _of_done(items, speed_factor)
    table = table.merge(done, on=CELL, how="left")
    table = table.merge(_jobs(run, tries, speed_factor), on=CELL, how="left")
    table = table.merge(_tasks(run, done), on=CELL, how="left")
    table["task_s"] = table["tasks"] * table["span_s"]
    table = table.merge(_busy(run, tries, speed_factor), on=CELL, how="left")
    return _with_instances(run, table, speed_factor)[[*CELL, *SUMS]].fillna(0.0)


def task_lives(run: Run) -> pd.DataFrame:
    """`lives` of all containers in blocks that ran the workload: not of load balancers, nor of the calibration."""
    started = run.events[run.events["kind"] == "container_started"]
    detail = started["detail"].astype(str)
    other = started.loc[detail.str.contains('"role"', regex=False), ["container", "detail"]]
    others = [str(row.container) for row in records(other) if json.loads(row.detail)["role"] != "task"]
    table = lives(run.events[run.events["block"] > NO_BLOCK])
    return table[~table["container"].isin(others)]


def billed_s(local_s: Any, speed_factor: float) -> Any:
    """Milliseconds that Lambda bills, begun ones whole, as seconds: `local_s` has been rounded up already."""
    return local_s if speed_factor == 1 else np.ceil(np.round(local_s * speed_factor * 1000, 6)) / 1000


def billed_minutes_s(lives_s: Any, speed_factor: float) -> Any:
    """Seconds that Fargate or EC2 bill of each life."""
    return np.maximum(MINIMUM_S, lives_s * speed_factor)


def _of_tries(tries: pd.DataFrame, speed_factor: float) -> pd.DataFrame:
    cells, billed = grouped(tries, CELL), tries["billed_s"]
    return cells.keys.assign(
        tries=cells.counts(),
        invocations=cells.sums(billed.notna()),
        billed_s=cells.sums(billed_s(billed, speed_factor)),
        handler_s=cells.sums(tries["handler_s"]) * speed_factor,
        cpu_s=cells.sums(tries["cpu_s"]) * speed_factor,
    )


def _of_done(items: pd.DataFrame, speed_factor: float) -> pd.DataFrame:
    """Of the finished ones: how many, how many of them cold, bytes, when the first was due and the last done (ns)."""
    ok = items["ok"].to_numpy(dtype=bool)
    cells = grouped(items, CELL).only(ok)
    due_ns, done_ns, count = items["due_ns"].to_numpy()[ok], items["done_ns"].to_numpy()[ok], cells.counts()
    first, last, done = cells.least(due_ns), cells.greatest(due_ns), cells.greatest(done_ns)
    spread_s = (last - first) / 1e9 * count / np.maximum(count - 1, 1)
    return cells.keys.assign(
        ok=count,
        cold=cells.sums(items["cold"].to_numpy()[ok]),
        bytes_out=cells.sums(items["bytes_out"].to_numpy()[ok]),
        span_s=np.maximum((done - first) / 1e9, spread_s) * speed_factor,
        first=first,
        done=done,
    )


def _jobs(run: Run, tries: pd.DataFrame, speed_factor: float) -> pd.DataFrame:
    """Containers of each cell of a batch arm; those that had no item (steps of a chain) count by the others' share."""
    mine = tries.loc[(tries["placement"] == "batch").to_numpy(), [*CELL, "container"]]
    mine = grouped(mine, [*CELL, "container"]).keys
    found = task_lives(run)
    lived_s = (found["ended_ns"] - found["started_ns"]).astype("float64") / 1e9
    found = found.assign(job_s=lived_s * speed_factor, billed_job_s=billed_minutes_s(lived_s, speed_factor))
    joined = mine.merge(found, on=["block", "arm", "container"])
    columns = ["job_s", "billed_job_s"]
    table = joined.groupby(CELL)[columns].sum().join(joined.groupby(CELL).size().rename("jobs")).reset_index()
    every = found.groupby(["block", "arm"])[columns].sum().reset_index()
    every = table[["block", "arm"]].merge(every, on=["block", "arm"], how="left")
    of_items = table.groupby(["block", "arm"])[columns].transform("sum")
    table[columns] *= every[columns].to_numpy() / of_items.to_numpy()
    return table


def _tasks(run: Run, done: pd.DataFrame) -> pd.DataFrame:
    """How many tasks there were in each cell, at the mean from its first item due to its last one done."""
    pairs = done.merge(task_lives(run), on=["block", "arm"])
    both_ns = pairs[["done", "ended_ns"]].min(axis=1) - pairs[["first", "started_ns"]].max(axis=1)
    pairs["tasks"] = both_ns.clip(lower=0) / (pairs["done"] - pairs["first"])
    return pairs.groupby(CELL)["tasks"].sum().reset_index()


def _busy(run: Run, tries: pd.DataFrame, speed_factor: float) -> pd.DataFrame:
    """For how long the tasks of a service were at work in each cell: a second with several items in hand is one.

    An item is in hand until its answer has arrived, so that what a task does between two of them is work as well.
    """
    mine = (tries["placement"] == "service").to_numpy() & tries["handler_s"].notna().to_numpy()
    own = tries.loc[mine, [*CELL, "container"]]
    begun_ns, done_ns = (run.attempts[each].loc[own.index].to_numpy() for each in ("started_ns", "done_ns"))
    first_ns = begun_ns.min(initial=np.iinfo(np.int64).max)
    tasks = grouped(own, [*CELL, "container"])
    table = tasks.keys[CELL].assign(
        busy_s=tasks.covered((begun_ns - first_ns) / 1e9, (done_ns - first_ns) / 1e9) * speed_factor
    )
    return table.groupby(CELL)["busy_s"].sum().reset_index()


def _with_instances(run: Run, table: pd.DataFrame, speed_factor: float) -> pd.DataFrame:
    found = instances(run).dropna(subset=["ended_ns"])
    up_s = ((found["ended_ns"] - found["launched_ns"]) / 1e9).astype("float64")
    found = found.assign(
        instance_s=billed_minutes_s(up_s, speed_factor),
        busy_instance_s=(found["busy_vcpu_s"] / found["vcpu"]).astype("float64") * speed_factor,
    )
    by_block = found.groupby(["block", "arm"])[["instance_s", "busy_instance_s"]].sum()
    shares = table["handler_s"] / table.groupby(["block", "arm"])["handler_s"].transform("sum")
    joined = table[["block", "arm"]].merge(by_block.reset_index(), on=["block", "arm"], how="left")
    return table.assign(
        instance_s=joined["instance_s"].to_numpy() * shares.to_numpy(),
        busy_instance_s=joined["busy_instance_s"].to_numpy() * shares.to_numpy(),
    )
