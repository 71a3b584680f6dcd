"""What two runs are compared in: each metric, and its figure in each block of an arm and phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from harness.analysis.cells import CELL, COLUMNS, block_cpu, block_medians, valid_items, validity
from harness.analysis.comparison import ALL_PHASES
from harness.analysis.once import once
from harness.comparing.cost import block_cost
from harness.runs import Run

Kind = Literal["block", "p95", "rate"]
P95 = 0.95


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure, its name for people, and the words for a ratio below and above 1.

    `kind` says what an arm's figure is: the median over blocks of one figure a block, the p95 of all items, or the
    share of items. `more_is_worse` is false for throughput alone.
    """

    name: str
    title: str
    below: str
    above: str
    kind: Kind = "block"
    more_is_worse: bool = True


# Parts of a cold start, those that this version records.
COLD_PARTS = [part for part in ("pull", "create", "start", "init") if f"{part}_s" in COLUMNS]
METRICS = [
    Metric("latency_p50_s", "median latency", "faster", "slower"),
    Metric("latency_p95_s", "p95 latency", "faster", "slower", "p95"),
    Metric("throughput_items_per_s", "throughput", "slower", "faster", more_is_worse=False),
    Metric("cpu_s_per_item", "CPU an item", "less", "more"),
    Metric("memory_peak_bytes", "peak memory", "less", "more"),
    *(Metric(f"cold_{part}_mean_s", f"cold start: {part}", "faster", "slower") for part in COLD_PARTS),
    Metric("error_rate", "failures", "fewer", "more", "rate"),
    Metric("cost_usd_per_million", "cost per million", "cheaper", "dearer"),
]
BY_NAME = {metric.name: metric for metric in METRICS}


@once
def _memory(run: Run) -> pd.DataFrame:
    """The highest memory of a container that worked in the cell."""
    return valid_items(run).groupby(CELL, observed=True)["memory_peak_bytes"].max().reset_index()


@once
def _cold_parts(run: Run) -> pd.DataFrame:
    """Means over the cold items that were done."""
    items = valid_items(run)
    cold = items[items["ok"] & items["cold"]].groupby(CELL, observed=True)
    means = cold[[f"{part}_s" for part in COLD_PARTS]].mean()
    return means.set_axis([f"cold_{part}_mean_s" for part in COLD_PARTS], axis=1).reset_index()


def _cpu(run: Run) -> pd.DataFrame:
    """Of whole arms, so of those blocks in which every phase of the arm is valid: a crowded machine costs CPU, too."""
    valid = validity(run).groupby(["block", "arm"])["valid"].all().rename("valid").reset_index()
    table = block_cpu(run).merge(valid[valid["valid"]], on=["block", "arm"])
    return table.assign(phase=ALL_PHASES)


def _valid_medians(run: Run) -> pd.DataFrame:
    cells = block_medians(run)
    return cells[cells["valid"]]


# Where the metrics of kind `block` are: tables with the columns block, arm, phase and the metric.
BY_BLOCK: dict[str, Callable[[Run], pd.DataFrame]] = {
    "latency_p50_s": _valid_medians,
    "throughput_items_per_s": _valid_medians,
    "cpu_s_per_item": _cpu,
    "memory_peak_bytes": _memory,
    **{f"cold_{part}_mean_s": _cold_parts for part in COLD_PARTS},
    "cost_usd_per_million": block_cost,
}


@dataclass(frozen=True, slots=True)
class Side:
    """One arm of one run in one phase."""

    run: Run
    arm: str
    phase: str

    def by_block(self, metric: Metric) -> pd.Series:
        """The metric by block, for one of kind `block`; only positive figures, of which alone there are ratios."""
        table = BY_BLOCK[metric.name](self.run)
        own = table[(table["arm"] == self.arm) & (table["phase"] == self.phase)].set_index("block")
        figures: pd.Series = own[metric.name].dropna().astype("float64")
        return figures[figures > 0]

    def latencies(self) -> pd.DataFrame:
        """block and latency_s of each item that was done."""
        own = self._items()
        return own.loc[own["ok"], ["block", "latency_s"]]

    def failures(self) -> pd.DataFrame:
        """By block: failed and planned items."""
        counted = self._items().groupby("block")["ok"].agg(["size", "sum"])
        return pd.DataFrame({"failed": counted["size"] - counted["sum"], "planned": counted["size"]})

    def _items(self) -> pd.DataFrame:
        items = valid_items(self.run)
        return items[(items["arm"] == self.arm) & (items["phase"] == self.phase)]
