"""Where the spread of a run comes from, and what would narrow its intervals: more blocks, or more items in each.

Source: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.analysis.cells import arms, block_medians, phases, valid_items
from harness.analysis.comparison import reference_arm
from harness.analysis.records import records
from harness.runs import Run
from harness.statistics import best_items_per_block, blocks_for_precision, variance_components

MIN_PILOT = 3
# Half width of the interval of a ratio that the advice aims at.
PRECISION = 0.05
COLUMNS = [
    "phase", "arm", "within_cv", "between_cv", "blocks", "items_per_block", "best_items_per_block",
    "blocks_for_5_percent",
]  # fmt: skip


class NothingToPlan(ValueError):
    """A pilot has too few finished items, or too few arms, to tell how many blocks a precision takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many blocks the main part takes, and which comparison needs that many."""

    blocks: int
    widest: str


def plan_blocks(run: Run, precision: float) -> Plan:
    """Blocks for a half width of `precision` (0.05 is 5 %) in every comparison of medians, from the rows so far.

    Its warm-up blocks are the pilot. NothingToPlan if no two arms have enough blocks to tell.
    """
    pilot = replace(run, attempts=run.attempts.assign(warmup=False))
    needs = [
        Plan(blocks_for_precision(log_ratios, precision), f"{arm} against {base} in phase {phase}")
        for phase, arm, base, log_ratios in _pairs(pilot)
    ]
    if not needs:
        raise NothingToPlan("no two arms finished enough items in the pilot to plan from")
    return max(needs, key=lambda plan: plan.blocks)


def spread(run: Run) -> pd.DataFrame:
    """One row for each phase and arm with two valid blocks or more: COLUMNS.

    `within_cv` and `between_cv` are the standard deviations of log latency within a block and between blocks, as
    fractions; `best_items_per_block` makes the most of the time, given what a block and an item take;
    `blocks_for_5_percent` narrows the comparison with the reference to 5 %, NaN where there is none.
    """
    frame = valid_items(run)
    good = frame[frame["ok"]]
    groups = good.groupby(["phase", "arm"], observed=True).indices
    needed = {
        (phase, arm): blocks_for_precision(log_ratios, PRECISION) for phase, arm, _, log_ratios in _pairs(run)
    }
    overhead_s = _block_overhead_s(run)
    rows = []
    for phase in phases(run):
        for arm in arms(run):
            part = good.iloc[groups.get((phase, arm), [])]
            found = variance_components(part["latency_s"].to_numpy(), part["block"].to_numpy())
            if found is None:
                continue
            seconds = part.groupby("block").agg(
                first=("due_ns", "min"), last=("done_ns", "max"), n=("ok", "size")
            )
            item_s = float(((seconds["last"] - seconds["first"]) / seconds["n"]).median()) / 1e9
            best = best_items_per_block(found, overhead_s.get((phase, arm), 1.0), max(item_s, 1e-6))
            rows.append((
                phase, arm, math.sqrt(found.within), math.sqrt(found.between), found.blocks, found.per_block, best,
                needed.get((phase, arm), math.nan),
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(run: Run) -> list[tuple[str, str, str, np.ndarray]]:
    """Phase, arm, reference and the logs of the ratios of their block medians, where there are enough."""
    cells, base = block_medians(run), reference_arm(run)
    found = []
    for phase in phases(run):
        own = cells[(cells["phase"] == phase) & cells["valid"]]
        wide = own.pivot(index="block", columns="arm", values="latency_p50_s")
        for arm in arms(run):
            if arm == base or base not in wide or arm not in wide:
                continue
            pair = wide[[arm, base]].dropna()
            if len(pair) >= MIN_PILOT:
                found.append((phase, arm, str(base), np.log((pair[arm] / pair[base]).to_numpy())))
    return found


def _block_overhead_s(run: Run) -> dict[tuple[str, str], float]:
    """Seconds of a block, by phase and arm, in which no item of that phase was out: making and removing containers."""
    events = run.events
    spans: dict[str, pd.Series] = {}
    for kind in ("arm_started", "arm_ended"):
        own = events[events["kind"] == kind].astype({"arm": str})
        spans[kind] = own.set_index(["block", "arm"])["at_ns"]
    whole_s = (spans["arm_ended"] - spans["arm_started"]).dropna() / 1e9
    ended = events[(events["kind"] == "phase_ended") & (events["block"] >= 0)]
    found: dict[tuple[str, str], list[float]] = {}
    for row in records(ended.astype({"arm": str, "phase": str})):
        detail = json.loads(row.detail) if row.detail else {}
        if (row.block, row.arm) in whole_s.index and "first_due_ns" in detail:
            phase_s = (row.at_ns - detail["first_due_ns"]) / 1e9
            found.setdefault((row.phase, row.arm), []).append(float(whole_s[(row.block, row.arm)]) - phase_s)
    return {key: max(0.01, float(np.median(values))) for key, values in found.items()}
