"""Two runs against each other: the ratio of each figure of each arm and phase, and what may be claimed of it.

Runs that were made apart share no blocks. So a ratio is that of two independent samples of blocks, unless the blocks
of both were given the same items (`pairing`); and what the machine drifted in between is part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.cells import arms, phases
from harness.analysis.comparison import ALL_PHASES, NO_DIFFERENCE, TOO_FEW
from harness.comparing.figures import METRICS, P95, Metric, Side
from harness.comparing.pairing import Pairs, paired_blocks, same_items
from harness.runs import Run
from harness.statistics import (
    MIN_BLOCKS_FOR_CLAIM,
    Interval,
    paired_ratio,
    quantile_interval,
    quantile_ratio,
    rate_ratio,
    unpaired_ratio,
)

REGRESSION = "regression"
IMPROVEMENT = "improvement"
CHANGES = {REGRESSION, IMPROVEMENT}
COLUMNS = [
    "phase", "arm", "metric", "base_value", "value", "ratio", "ratio_low", "ratio_high", "base_blocks", "blocks",
    "paired", "aa_floor", "verdict", "change", "reason",
]  # fmt: skip
NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class _Found:
    """A ratio, with the figures on both sides and the blocks that they rest on."""

    base_value: float
    value: float
    ratio: Interval
    base_blocks: int
    blocks: int
    paired: bool


def ratios(base: Run, other: Run, metrics: Sequence[Metric] = METRICS) -> pd.DataFrame:
    """One row for each phase, arm and metric that both runs have a figure of, COLUMNS; A/A duplicates have none.

    `ratio` is other / base with its 95 % bounds. Of metrics with one figure a block it is the ratio of the medians over
    blocks, or, where blocks are `paired`, the median of the ratios; of p95 that of all items; of failures that of
    their shares, infinite where the base has none. `aa_floor` is the larger of what two identical arms of each run
    differed by, as a factor off 1, less 1; of failures as a difference of shares; NaN where a run has no A/A arm.
    `verdict` is a regression or an improvement where both sides have 10 blocks, the interval excludes 1 and the ratio
    exceeds the floor; `change` says it in words such as slower, and `reason` why there is none.
    """
    pairs = same_items(base, other)
    floors = [each for each in map(_floors_of, (base, other)) if each is not None]
    rows = []
    for phase in [*_shared(phases(base), phases(other)), ALL_PHASES]:
        for arm in _shared(compared_arms(base), compared_arms(other)):
            for metric in metrics:
                if (metric.name == "cpu_s_per_item") is not (phase == ALL_PHASES):
                    continue
                found = _ratio(metric, Side(base, arm, phase), Side(other, arm, phase), pairs, _seed(base))
                if found is None:
                    continue
                floor = _larger([each.of(metric, phase) for each in floors])
                rows.append(_row(metric, arm, phase, found, floor))
    return pd.DataFrame(rows, columns=COLUMNS)


def compared_arms(run: Run) -> list[str]:
    """Those of its arms that are no A/A duplicate, in the manifest's order."""
    return [arm for arm, about in arms(run).items() if not about.get("duplicate_of")]


class _Floors:
    """What the two identical arms of a run differed by, computed where it is asked for."""

    def __init__(self, run: Run, arm: str, original: str) -> None:
        self._run, self._arm, self._original = run, arm, original
        self._known: dict[tuple[str, str], float] = {}

    def of(self, metric: Metric, phase: str) -> float:
        """NaN where one of them has no figure."""
        key = (metric.name, phase)
        if key not in self._known:
            self._known[key] = self._compute(metric, phase)
        return self._known[key]

    def _compute(self, metric: Metric, phase: str) -> float:
        first, second = (Side(self._run, arm, phase) for arm in (self._original, self._arm))
        if metric.kind == "rate":
            base_share, share = (_share(side.failures()) for side in (first, second))
            return abs(share - base_share)
        blocks = set(self._run.attempts["block"].unique().tolist())
        found = _ratio(metric, first, second, {(self._original, phase): blocks}, _seed(self._run))
        return math.nan if found is None else max(found.ratio.high, 1 / found.ratio.low) - 1


def _larger(floors: list[float]) -> float:
    """NaN unless both runs have one, whichever of them has none."""
    return math.nan if len(floors) < 2 or any(map(math.isnan, floors)) else max(floors)


def _floors_of(run: Run) -> _Floors | None:
    for arm, about in arms(run).items():
        if about.get("duplicate_of"):
            return _Floors(run, arm, about["duplicate_of"])
    return None


def _ratio(metric: Metric, base: Side, other: Side, same: Pairs, seed: int) -> _Found | None:
    """`other` / `base`; None where a side has no figure. `same` are the blocks that may be paired, by `base`'s arm."""
    pairs = same.get((base.arm, base.phase), set())
    if metric.kind == "rate":
        return _of_failures(base, other)
    if metric.kind == "p95":
        return _of_p95(base, other, pairs, seed)
    first, second = base.by_block(metric), other.by_block(metric)
    if first.empty or second.empty:
        return None
    blocks = paired_blocks(first.index, second.index, pairs)
    if blocks is None:
        found = unpaired_ratio(second, first, seed)
    else:
        first, second = first.loc[blocks], second.loc[blocks]
        found = paired_ratio(second, first, seed)
    sizes = len(first), len(second)
    return _Found(first.median(), second.median(), found or NOTHING, *sizes, blocks is not None)


def _of_p95(base: Side, other: Side, same: set[int], seed: int) -> _Found | None:
    first, second = base.latencies(), other.latencies()
    blocks = paired_blocks(pd.Index(first["block"].unique()), pd.Index(second["block"].unique()), same)
    if blocks is not None:
        first, second = (side[side["block"].isin(blocks)] for side in (first, second))
    values = [quantile_interval(side["latency_s"], P95) for side in (first, second)]
    found = quantile_ratio(
        second["latency_s"], second["block"], first["latency_s"], first["block"], P95, seed,
        paired=blocks is not None,
    )  # fmt: skip
    if found is None or values[0] is None or values[1] is None:
        return None
    sizes = first["block"].nunique(), second["block"].nunique()
    return _Found(values[0].value, values[1].value, found, *sizes, blocks is not None)


def _of_failures(base: Side, other: Side) -> _Found | None:
    first, second = base.failures(), other.failures()
    if first.empty or second.empty:
        return None
    found = rate_ratio(second["failed"], second["planned"], first["failed"], first["planned"])
    return _Found(_share(first), _share(second), found or NOTHING, len(first), len(second), False)


def _row(metric: Metric, arm: str, phase: str, found: _Found, floor: float) -> dict[str, Any]:
    verdict, reason = _verdict(metric, found, floor)
    words = (metric.below if found.ratio.value < 1 else metric.above) if verdict in CHANGES else ""
    return {
        "phase": phase, "arm": arm, "metric": metric.name, "base_value": found.base_value, "value": found.value,
        "ratio": found.ratio.value, "ratio_low": found.ratio.low, "ratio_high": found.ratio.high,
        "base_blocks": found.base_blocks, "blocks": found.blocks, "paired": found.paired, "aa_floor": floor,
        "verdict": verdict, "change": words, "reason": reason,
    }  # fmt: skip


def _verdict(metric: Metric, found: _Found, floor: float) -> tuple[str, str]:
    """What may be claimed, and why not more; as `analysis.comparison` has it, with the floors of both runs."""
    fewest, ratio = min(found.base_blocks, found.blocks), found.ratio
    if metric.kind == "rate" and math.isnan(ratio.value):
        return NO_DIFFERENCE, "nothing failed"
    if fewest < MIN_BLOCKS_FOR_CLAIM:
        return TOO_FEW, f"{fewest} valid in one of the runs, a claim takes {MIN_BLOCKS_FOR_CLAIM}"
    if math.isnan(floor):
        return NO_DIFFERENCE, "no noise floor: an A/A arm of both runs has to have this figure"
    if not ratio.excludes(1.0):
        return NO_DIFFERENCE, "the interval includes 1"
    factor, points = max(ratio.value, 1 / ratio.value) - 1, abs(found.value - found.base_value)
    if (points if metric.kind == "rate" else factor) <= floor:
        return NO_DIFFERENCE, "identical arms differed as much"
    return (REGRESSION if (ratio.value > 1) is metric.more_is_worse else IMPROVEMENT), ""


def _share(failures: pd.DataFrame) -> float:
    planned = int(failures["planned"].sum())
    return float(failures["failed"].sum()) / planned if planned else math.nan


def _shared(first: list[str], second: list[str]) -> list[str]:
    return [name for name in first if name in second]


def _seed(run: Run) -> int:
    return int(run.manifest.get("seed") or 0)
