"""The picture of a sweep: cost and time over size, a row for each size of each placement, from its run folder alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from harness.analysis.cells import valid_items
from harness.analysis.summary import cold_and_warm, summarise
from harness.rows import NO_BLOCK
from harness.runs import Run
from harness.statistics import quantile_interval
from harness.tuning.blocks import TIME_COLUMN, Figures, figures, usd_intervals
from harness.tuning.failing import memory_peaks, needs, problems
from harness.tuning.question import Question, question_of, sized_arms

QUANTILES = ("p50", "p95", "p99")
BOUNDS = ("", "_low", "_high")
COLUMNS = [
    "arm", "placement", "kind", "vcpu", "memory_mb", "phase", "items", "blocks",
    "time_s", "time_s_low", "time_s_high", "usd_per_million", "usd_per_million_low", "usd_per_million_high",
    *(f"latency_{quantile}_s{bound}" for quantile in QUANTILES for bound in BOUNDS),
    "handler_p50_s", "warm_items", "warm_p50_s", "cold_items", "cold_p50_s", "queue_share", "failed_share",
    "problem", "memory_peak_bytes", "needed_memory_bytes", "needed_is_more", "needed", "beyond_machine", "works",
]  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A sweep as a reader sees it; `sizes` has the columns COLUMNS."""

    run: Run
    question: Question
    sizes: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", _sizes(self.run, self.question, self.figures))

    @cached_property
    def figures(self) -> Figures:
        """Cost and time in each block."""
        return figures(self.run, self.question)

    @property
    def placements(self) -> list[str]:
        """Those that were swept."""
        return list(dict.fromkeys(self.sizes["placement"]))

    def working(self, placement: str) -> list[str]:
        """The sizes of a placement that may be chosen, ascending."""
        own = self.sizes[(self.sizes["placement"] == placement) & self.sizes["works"]]
        return [str(arm) for arm in own["arm"]]

    def unjudged(self, placement: str) -> list[str]:
        """The sizes of a placement that ran and did not fail, and of which nothing could be used."""
        sizes = self.sizes
        own = sizes[(sizes["placement"] == placement) & ~sizes["works"] & (sizes["problem"] == "")]
        return [str(arm) for arm in own["arm"]]


def picture_of(run: Run) -> Picture | None:
    """The picture, or None where the run is no sweep of sizes."""
    question = question_of(run)
    return Picture(run, question) if question is not None else None


def measured_arms(run: Run) -> set[str]:
    """Those that ran, or were tried in vain: a search leaves some out."""
    begun = run.events[(run.events["kind"] == "arm_started") & (run.events["block"] > NO_BLOCK)]
    return set(begun["arm"].astype(str))


def _sizes(run: Run, question: Question, found: Figures) -> pd.DataFrame:
    sizes, about, ran = sized_arms(run), run.manifest["arms"], measured_arms(run)
    wrong, peaks = problems(run), memory_peaks(run)
    needed = needs(sizes, wrong, ran, peaks)
    summary = summarise(run)
    summary = summary[summary["phase"] == question.phase].set_index("arm")
    prices = usd_intervals(run, question, found)
    cores = int((run.manifest.get("machine") or {}).get("cores") or 0)
    rows = []
    for arm, size in sizes.items():
        if arm not in ran:
            continue
        need = needed.get(arm)
        usd = prices.get(arm)
        own = summary.loc[arm].to_dict() if arm in summary.index else {}
        row = {"arm": arm, "kind": about[arm]["placement"], "phase": question.phase} | dict(size)
        row |= _time(run, question, arm) | _of_summary(own) | _cold(run, question, arm)
        row["usd_per_million"] = usd.value if usd else math.nan
        row["usd_per_million_low"] = usd.low if usd else math.nan
        row["usd_per_million_high"] = usd.high if usd else math.nan
        row["problem"] = wrong.get(arm, "")
        row["memory_peak_bytes"] = peaks.get(arm, math.nan)
        row["needed_memory_bytes"] = need.memory_bytes if need else math.nan
        row["needed_is_more"] = bool(need and need.more_than)
        row["needed"] = need.text if need else ""
        row["beyond_machine"] = bool(cores) and about[arm]["parallel"] * size["vcpu"] > cores * 1.01
        row["works"] = not row["problem"] and not math.isnan(row["time_s"])
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _good(run: Run, question: Question, arm: str) -> pd.DataFrame:
    items = valid_items(run)
    return items[items["ok"] & (items["phase"] == question.phase) & (items["arm"] == arm)]


def _time(run: Run, question: Question, arm: str) -> dict[str, Any]:
    """The median of the time that sizes are chosen by, with its interval, and that of the workload alone."""
    good = _good(run, question, arm)
    values = good[TIME_COLUMN[question.time]].to_numpy(dtype="float64")
    interval = quantile_interval(values, 0.5, blocks=good["block"].to_numpy())
    return {
        "time_s": float(pd.Series(values).median()),
        "time_s_low": interval.low if interval else math.nan,
        "time_s_high": interval.high if interval else math.nan,
        "handler_p50_s": float(good["handler_s"].astype("float64").median()),
    }


def _of_summary(own: dict[Any, Any]) -> dict[str, Any]:
    """What the summary says of an arm in the deciding phase, if it is in there."""
    names = [f"latency_{quantile}_s{bound}" for quantile in QUANTILES for bound in BOUNDS]
    planned, mean_s = own.get("planned", 0), own.get("latency_mean_s", math.nan)
    return {name: own.get(name, math.nan) for name in names} | {
        "items": int(own.get("ok", 0)),
        "blocks": int(own.get("blocks", 0)),
        "failed_share": (planned - own["ok"]) / planned if planned else math.nan,
        "queue_share": own["queue_mean_s"] / mean_s if mean_s > 0 else math.nan,
    }


def _cold(run: Run, question: Question, arm: str) -> dict[str, Any]:
    """Median latency of cold and of warm items, apart; plain medians where there are too few for an interval."""
    table = cold_and_warm(run)
    table = table[(table["arm"] == arm) & (table["phase"] == question.phase)].set_index("cold")
    good = _good(run, question, arm)
    found: dict[str, Any] = {}
    for name, cold in (("warm", False), ("cold", True)):
        found[f"{name}_items"] = int(table["items"].get(cold, 0))
        own = good.loc[good["cold"] == cold, "latency_s"].astype("float64")
        found[f"{name}_p50_s"] = float(own.median())
    return found
