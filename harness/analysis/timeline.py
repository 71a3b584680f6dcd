"""One block on a time line for each arm: its containers, what happened to them, and what CPU and memory they used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.containers import killed_for_memory, lives, spells
from harness.analysis.services import service_log
from harness.rows import NO_BLOCK
from harness.runs import Run

# What makes a block worth showing, and its mark: by the event's kind.
MARKS = {
    "container_evicted": "evicted", "container_reset": "reset", "instance_interrupted": "interrupted",
    "throttled": "throttled", "balancer_restarted": "balancer restarted",
}  # fmt: skip
SPAN_COLUMNS = ["arm", "lane", "container", "state", "start_s", "end_s"]
MARK_COLUMNS = ["arm", "lane", "at_s", "what", "why"]
USE_COLUMNS = ["arm", "at_s", "containers", "cpu_cores", "memory_bytes"]
STEPS = 120
# Several rounds of the sampler, which reads containers every 50 ms.
LEAST_STEP_S = 0.15
# A frozen time that is shorter than this share of the whole would not be seen.
LEAST_SHARE = 0.002
MOST_MARKS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """`spans` (SPAN_COLUMNS) are the lives of containers, running or frozen, with a gap where one was down until it was
    started again; a lane is free again once one ended for good.
    `marks` (MARK_COLUMNS) are what happened, `use` (USE_COLUMNS) sums over the containers of an arm, in even steps.
    Seconds count from when the arm began.
    """

    block: int
    spans: pd.DataFrame
    marks: pd.DataFrame
    use: pd.DataFrame


def timeline(run: Run, arms: list[str]) -> Timeline | None:
    """Of the block in which most happened, the first of them; None where no container was seen to start and end."""
    block = _block(run, arms)
    if block is None:
        return None
    events = run.events[(run.events["block"] == block).to_numpy()].astype(
        {"arm": str, "kind": str, "container": str}
    )
    events = events[events["arm"].isin(arms)]
    began = events[events["kind"] == "arm_started"].groupby("arm")["at_ns"].min()
    began = began.reindex(arms).fillna(events.groupby("arm")["at_ns"].min())
    whole = _in_seconds(lives(events), began).sort_values(["arm", "start_s"], ignore_index=True)
    whole["lane"] = np.concatenate([_lanes(own) for _, own in whole.groupby("arm")])
    lanes = dict(zip(whole["container"], whole["lane"], strict=True))
    found = _in_seconds(spells(events), began).sort_values(["arm", "start_s"], ignore_index=True)
    found["lane"] = found["container"].map(lanes)
    end_s = float(found["end_s"].max())
    spans = _frozen(found, events, began, end_s)
    return Timeline(
        block, spans, _marks(run, block, events, began, lanes), _use(run, block, found, began, end_s)
    )


def _block(run: Run, arms: list[str]) -> int | None:
    """Warm-up blocks come only where there is no other."""
    known = lives(run.events[run.events["arm"].isin(arms).to_numpy()])
    known = known[known["block"] > NO_BLOCK]
    if known.empty:
        return None
    blocks = np.sort(known["block"].unique())
    warm = run.attempts.loc[run.attempts["warmup"].to_numpy(dtype=bool), "block"].unique()
    measured = [block for block in blocks if block not in set(warm)] or list(blocks)
    log = service_log(run)
    happened = pd.concat([
        run.events.loc[run.events["kind"].isin(MARKS).to_numpy(), "block"],
        killed_for_memory(run.events)["block"],
        log.loc[log["arm"].isin(arms), "block"],
    ]).value_counts()  # fmt: skip
    return int(max(measured, key=lambda block: (int(happened.get(block, 0)), -block)))


def _in_seconds(table: pd.DataFrame, began: pd.Series) -> pd.DataFrame:
    """The same with `start_s` and `end_s`, since each arm began."""
    return table.assign(
        start_s=_since(table["started_ns"], table["arm"], began),
        end_s=_since(table["ended_ns"], table["arm"], began),
    )


def _since(at_ns: pd.Series, arms: pd.Series, began: pd.Series) -> NDArray[np.float64]:
    """Seconds since each arm began."""
    since: NDArray[np.float64] = (at_ns.to_numpy() - began.reindex(arms).to_numpy()) / 1e9
    return since


def _lanes(lives_of_arm: pd.DataFrame) -> list[int]:
    """The first lane from 1 that is free, in the order of starts."""
    ends: list[float] = []
    taken = []
    for start_s, end_s in zip(lives_of_arm["start_s"], lives_of_arm["end_s"], strict=True):
        free = next((lane for lane, busy_until_s in enumerate(ends) if busy_until_s <= start_s), len(ends))
        ends[free : free + 1] = [end_s]
        taken.append(free + 1)
    return taken


def _frozen(found: pd.DataFrame, events: pd.DataFrame, began: pd.Series, end_s: float) -> pd.DataFrame:
    """Each life cut where the container was frozen and thawed."""
    turns = events[events["kind"].isin(["container_frozen", "container_thawed"])]
    turns = turns.assign(at_s=_since(turns["at_ns"], turns["arm"], began))
    by_container = dict(tuple(turns.sort_values("at_s").groupby("container")))
    rows = []
    for life in found.itertuples():
        at_s, frozen_since = float(str(life.start_s)), None
        own = by_container.get(str(life.container))
        ended = float(str(life.end_s))
        for turn in own.itertuples() if own is not None else ():
            when = float(str(turn.at_s))
            if not at_s <= when <= ended:
                continue
            if turn.kind == "container_frozen":
                frozen_since = when
            elif frozen_since is not None:
                if when - frozen_since > LEAST_SHARE * end_s:
                    rows += [(life, "running", at_s, frozen_since), (life, "frozen", frozen_since, when)]
                    at_s = when
                frozen_since = None
        if frozen_since is not None and ended - frozen_since > LEAST_SHARE * end_s:
            rows += [(life, "running", at_s, frozen_since), (life, "frozen", frozen_since, ended)]
        else:
            rows.append((life, "running", at_s, ended))
    return pd.DataFrame(
        [(life.arm, life.lane, life.container, state, start, end) for life, state, start, end in rows],
        columns=SPAN_COLUMNS,
    )


def _marks(
    run: Run, block: int, events: pd.DataFrame, began: pd.Series, lanes: dict[str, int]
) -> pd.DataFrame:
    """What happened in the block, each at its own time."""
    marked = events[events["kind"].isin(MARKS)]
    killed = killed_for_memory(events)
    happened = pd.concat([
        marked.assign(what=marked["kind"].map(MARKS), why=marked["detail"]),
        killed.assign(what="killed for its memory", why=killed["container"]),
    ])  # fmt: skip
    rows = [
        (str(each.arm), lanes.get(str(each.container), 1), (int(str(each.at_ns)) - began[str(each.arm)]) / 1e9,
         str(each.what), str(each.why)[:200])
        for each in happened.itertuples()
    ]  # fmt: skip
    ready = events[events["kind"] == "arm_ready"].groupby("arm")["at_ns"].min()
    log = service_log(run)
    for each in log[(log["block"] == block) & log["arm"].isin(began.index)].itertuples():
        arm = str(each.arm)
        at_s = float(str(each.at_s)) + (ready[arm] - began[arm]) / 1e9
        rows.append((arm, 1, at_s, str(each.what), str(each.why)[:200]))
    return pd.DataFrame(rows[:MOST_MARKS], columns=MARK_COLUMNS)


def _use(run: Run, block: int, found: pd.DataFrame, began: pd.Series, end_s: float) -> pd.DataFrame:
    """Sums over the containers of an arm; NaN of CPU and memory in steps without a reading."""
    step_s = max(end_s / STEPS, LEAST_STEP_S)
    edges = np.arange(0.0, end_s + step_s, step_s)
    samples = run.samples[(run.samples["block"] == block).to_numpy()].astype({"arm": str, "container": str})
    samples = samples[samples["container"].isin(found["container"])].sort_values(["container", "at_ns"])
    samples = samples.assign(step=(_since(samples["at_ns"], samples["arm"], began) // step_s).astype(int))
    # A container that is started again counts from nothing.
    used_s = samples.groupby("container")["cpu_s"].diff()
    samples["used_s"] = used_s.where(used_s >= 0, samples["cpu_s"])
    each = samples.groupby(["arm", "container", "step"]).agg(
        used_s=("used_s", "sum"), memory=("memory_bytes", "mean")
    )
    summed = each.groupby(["arm", "step"]).sum(min_count=1)
    frames = []
    for arm, own in found.groupby("arm"):
        middle = edges[:-1] + step_s / 2
        up = (
            (own["start_s"].to_numpy()[:, None] <= middle) & (own["end_s"].to_numpy()[:, None] > middle)
        ).sum(axis=0)
        read = summed.loc[arm] if arm in summed.index.get_level_values(0) else summed.iloc[:0].droplevel(0)
        read = read.reindex(np.arange(len(middle)))
        idle = up == 0
        frames.append(
            pd.DataFrame({
                "arm": arm, "at_s": edges[:-1], "containers": up,
                "cpu_cores": np.where(idle, 0.0, read["used_s"] / step_s),
                "memory_bytes": np.where(idle, 0.0, read["memory"]),
            })
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)[USE_COLUMNS]
