"""Arms against each other, by the ratio in each block, and what may be claimed of it (DESIGN, rule 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.cells import arms, block_cpu, block_medians, phases
from harness.analysis.once import once
from harness.runs import Run
from harness.statistics import MIN_BLOCKS_FOR_CLAIM, Interval, mann_whitney_p, paired_ratio

NO_DIFFERENCE = "no difference shown"
TOO_FEW = "too few blocks"
ALL_PHASES = "all phases"
COLUMNS = [
    "phase", "metric", "arm", "reference", "ratio", "ratio_low", "ratio_high", "blocks", "blocks_excluded",
    "aa_floor", "mann_whitney_p", "verdict", "reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a cell, and the words for a ratio below and above 1."""

    name: str
    below: str
    above: str


LATENCY = Metric("latency_p50_s", "faster", "slower")
THROUGHPUT = Metric("throughput_items_per_s", "slower", "faster")
CPU = Metric("cpu_s_per_item", "less", "more")


def reference_arm(run: Run) -> str | None:
    """What the others are compared with: the original of the A/A pair, else the first arm."""
    known = arms(run)
    originals = [about["duplicate_of"] for about in known.values() if about.get("duplicate_of")]
    return next(iter([*originals, *known]), None)


def compare(run: Run, reference: str | None = None) -> pd.DataFrame:
    """One row for each phase, metric and arm other than `reference` (default: `reference_arm`), COLUMNS.

    `ratio` is arm / reference: the median over blocks of the ratio in each block, with its 95 % bootstrap bounds.
    `aa_floor` is the largest factor off 1, less 1, within the interval of two identical arms in the same phase and
    metric; NaN without such arms. `verdict` tells the arm's side: faster or slower for latency and throughput, less
    or more for CPU; or "no difference shown", or "too few blocks". `reason` says why none is named. CPU is of whole
    arms, so its phase is "all phases". `mann_whitney_p` is a cross-check on the same block figures, unpaired; no
    verdict rests on it.
    """
    base = reference_arm(run) if reference is None else reference
    known = _known(run)
    if base not in known:
        known[base] = _against(run, base)
    return known[base]


@once
def _known(_: Run) -> dict[str | None, pd.DataFrame]:
    """The comparisons so far, by reference: reports ask for the same ones many times."""
    return {}


def _against(run: Run, base: str | None) -> pd.DataFrame:
    cells = block_medians(run)
    tables = [
        (phase, metric, cells[cells["phase"] == phase])
        for phase in phases(run)
        for metric in (LATENCY, THROUGHPUT)
    ]
    tables.append((ALL_PHASES, CPU, block_cpu(run).assign(valid=True)))
    rows = []
    for phase, metric, table in tables:
        wide = table[table["valid"]].pivot(index="block", columns="arm", values=metric.name)
        blocks_run = int(table["block"].nunique())
        floor = _floor(run, wide)
        for arm in arms(run):
            if base in wide and arm in wide and arm != base:
                rows.append(_row(run, phase, metric, wide[[arm, base]], floor) | {"run_blocks": blocks_run})
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "run_blocks"])
    frame["blocks_excluded"] = frame["run_blocks"] - frame["blocks"]
    return frame[COLUMNS]


def _row(run: Run, phase: str, metric: Metric, pair: pd.DataFrame, floor: float) -> dict[str, Any]:
    """The comparison of two columns of `pair`, one row a block: the arm and the reference."""
    arm, reference = pair.columns
    usable = pair.dropna()
    usable = usable[(usable > 0).all(axis=1)]
    found = paired_ratio(usable[arm], usable[reference], _seed(run))
    found = found or Interval(math.nan, math.nan, math.nan)
    verdict, reason = _verdict(found, len(usable), floor, metric)
    return {
        "phase": phase,
        "metric": metric.name,
        "arm": arm,
        "reference": reference,
        "ratio": found.value,
        "ratio_low": found.low,
        "ratio_high": found.high,
        "blocks": len(usable),
        "aa_floor": floor,
        "mann_whitney_p": mann_whitney_p(usable[arm], usable[reference]),
        "verdict": verdict,
        "reason": reason,
    }


def _verdict(found: Interval, blocks: int, floor: float, metric: Metric) -> tuple[str, str]:
    """What may be claimed, and why not more."""
    reason = why_no_claim(found, blocks, floor)
    if blocks < MIN_BLOCKS_FOR_CLAIM:
        return TOO_FEW, reason
    if reason:
        return NO_DIFFERENCE, reason
    return (metric.below if found.value < 1 else metric.above), ""


def why_no_claim(found: Interval, blocks: int, floor: float) -> str:
    """Why no difference may be claimed of a ratio over so many blocks; empty where one may."""
    if blocks < MIN_BLOCKS_FOR_CLAIM:
        return f"{units.many(blocks, 'valid block')}, and a claim takes {MIN_BLOCKS_FOR_CLAIM}"
    if math.isnan(floor):
        return "without an A/A arm the noise floor is unknown"
    if not found.excludes(1.0):
        return "the interval includes 1"
    # Factors, so that 2 and 1/2 are equally far off 1 and a verdict does not depend on which arm is the reference.
    if max(found.value, 1 / found.value) - 1 <= floor:
        return "two identical arms differed as much"
    return ""


def _floor(run: Run, wide: pd.DataFrame) -> float:
    """The A/A floor from `wide` (one row a block, one column an arm); NaN without two identical arms in it."""
    for arm, about in arms(run).items():
        original = about.get("duplicate_of")
        if original in wide and arm in wide:
            pair = wide[[arm, original]].dropna()
            found = paired_ratio(pair[arm], pair[original], _seed(run))
            if found is not None:
                return max(found.high, 1 / found.low) - 1
    return math.nan


def _seed(run: Run) -> int:
    return int(run.manifest.get("seed") or 0)
