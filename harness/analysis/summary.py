"""Summary tables: one row for each arm and phase, over the valid blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.cells import CELL, arms, block_cpu, block_medians, items, phases, valid_items
from harness.analysis.once import once
from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run
from harness.statistics import quantile_interval

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
PARTS = ["queue", "pull", "create", "start", "init", "fetch", "work", "store", "answer", "other"]
# Far out, in the words of Tukey, Exploratory Data Analysis (1977): three interquartile ranges beyond the quartiles.
FAR_OUT = 3.0


@once
def summarise(run: Run) -> pd.DataFrame:
    """One row for each arm and phase, in the order of manifest and scenario; warm-up and invalid cells left out.

    - planned = ok + failed + dropped, counted over valid cells; planned_excluded are the items of the invalid ones;
    - latency_*: of ok items, cold and warm together (`cold` tells how many; `cold_and_warm` keeps them apart), with
      distribution-free 95 % intervals that know of blocks; NaN where there are too few items for one;
    - outliers: ok items whose latency is far out of its phase's; they are counted and kept, here and everywhere;
    - <part>_mean_s: means over ok items of the parts, which add up to latency_mean_s;
    - cpu_s_per_item: the same for all phases of an arm, see `cells.block_cpu`; work_cpu_s_per_item: of the thread
      that did the work, alone;
    - throughput_items_per_s: median over valid blocks; blocks and blocks_invalid count them;
    - bytes_in and bytes_out: sums over all items.
    """
    everything, valid = items(run), valid_items(run)
    positions = _positions(valid)
    counted = everything.groupby(["arm", "phase"], observed=True).size()
    cells = block_medians(run)
    cpu = block_cpu(run).groupby("arm")[["cpu_s", "items"]].sum(min_count=1)
    rows = []
    for arm, about in arms(run).items():
        for phase in phases(run):
            total = int(counted.get((arm, phase), 0))
            if not total:
                continue
            part = valid.iloc[positions.get((arm, phase), [])]
            own = cells[(cells["arm"] == arm) & (cells["phase"] == phase)]
            row = {"arm": arm, "placement": about["placement"], "phase": phase} | _counts(part)
            row |= _latency(part) | _usage(part)
            row["planned_excluded"] = total - len(part)
            row["cpu_s_per_item"] = _divide(cpu["cpu_s"].get(arm), cpu["items"].get(arm))
            row["throughput_items_per_s"] = own.loc[own["valid"], "throughput_items_per_s"].median()
            row["blocks"] = int(own["valid"].sum())
            row["blocks_invalid"] = int((~own["valid"]).sum())
            rows.append(row)
    return pd.DataFrame(rows, columns=_columns())


@once
def cold_and_warm(run: Run) -> pd.DataFrame:
    """One row for each arm, phase and population that has ok items: arm, phase, cold, items, latency_p50_s with
    _low and _high, latency_p95_s with the same, latency_mean_s, and the mean of each part.
    """
    valid = valid_items(run)
    groups = valid.groupby(["arm", "phase", "cold"], observed=True).indices
    rows = []
    for arm in arms(run):
        for phase in phases(run):
            for cold in (True, False):
                part = valid.iloc[groups.get((arm, phase, cold), [])]
                part = part[part["ok"]]
                if len(part):
                    row = {"arm": arm, "phase": phase, "cold": cold, "items": len(part)}
                    rows.append(row | _latency(part))
    return pd.DataFrame(rows, columns=["arm", "phase", "cold", "items", *_latency_columns()])


@once
def outcomes(run: Run) -> pd.DataFrame:
    """Every attempt of the run is in here once: arm, phase, population, outcome, attempts.

    Populations: `measured`, `warm-up`, `excluded` (invalid cell), `retried` (an earlier attempt at the item) and
    `calibration` (the no-op workload).
    """
    population = pd.Series("retried", index=run.attempts.index)
    population[run.attempts["warmup"].to_numpy(dtype=bool)] = "warm-up"
    population[run.attempts["block"].to_numpy() == NO_BLOCK] = "calibration"
    population[items(run).index] = "excluded"
    population[valid_items(run).index] = "measured"
    frame = run.attempts[["arm", "phase", "outcome"]].astype(str).assign(population=population)
    keys = ["arm", "phase", "population", "outcome"]
    return frame.groupby(keys).size().rename("attempts").reset_index()


def _positions(frame: pd.DataFrame) -> dict[Any, Any]:
    return dict(frame.groupby(CELL[1:], observed=True).indices)


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    """Items by outcome; `failed` is every end but ok and dropped."""
    planned, good = len(part), int(part["ok"].sum())
    dropped = int((part["outcome"] == Outcome.DROPPED).sum())
    return {
        "planned": planned,
        "ok": good,
        "failed": planned - good - dropped,
        "dropped": dropped,
        "cold": int((part["cold"] & part["ok"]).sum()),
        "error_rate": (planned - good) / planned if planned else math.nan,
        "outliers": _outliers(part.loc[part["ok"], "latency_s"].to_numpy(dtype="float64")),
    }


def _latency(part: pd.DataFrame) -> dict[str, float]:
    """Percentiles, mean and parts of the latency of the ok items."""
    good = part[part["ok"]]
    values, blocks = good["latency_s"].to_numpy(dtype="float64"), good["block"].to_numpy()
    found: dict[str, float] = {}
    for name, q in QUANTILES.items():
        interval = quantile_interval(values, q, blocks=blocks)
        for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            found[f"latency_{name}_s{suffix}"] = getattr(interval, key) if interval else math.nan
    found["latency_mean_s"] = float(values.mean()) if len(good) else math.nan
    for name in PARTS:
        found[f"{name}_mean_s"] = float(good[f"{name}_s"].mean()) if len(good) else math.nan
    return found


def _outliers(values: NDArray[np.float64]) -> int:
    """How many lie far above or below the quartiles."""
    if not values.size:
        return 0
    low, high = np.quantile(values, [0.25, 0.75])
    reach = FAR_OUT * (high - low)
    return int(((values < low - reach) | (values > high + reach)).sum())


def _usage(part: pd.DataFrame) -> dict[str, float]:
    good = part[part["ok"]]
    return {
        "handler_mean_s": float(good["handler_s"].mean()),
        "work_cpu_s_per_item": float(good["cpu_s"].mean()),
        "memory_peak_bytes": float(part["memory_peak_bytes"].max()),
        "bytes_in": int(part["bytes_in"].sum()),
        "bytes_out": int(part["bytes_out"].sum()),
    }


def _divide(total: Any, count: Any) -> float:
    return float(total) / float(count) if total is not None and count else math.nan


def _latency_columns() -> list[str]:
    quantiles = [f"latency_{name}_s{suffix}" for name in QUANTILES for suffix in ("", "_low", "_high")]
    return [*quantiles, "latency_mean_s", *(f"{name}_mean_s" for name in PARTS)]


def _columns() -> list[str]:
    counts = ["planned", "ok", "failed", "dropped", "cold", "error_rate", "outliers"]
    usage = ["cpu_s_per_item", "work_cpu_s_per_item", "handler_mean_s", "memory_peak_bytes"]
    blocks = [
        "throughput_items_per_s",
        "blocks",
        "blocks_invalid",
        "planned_excluded",
        "bytes_in",
        "bytes_out",
    ]
    return ["arm", "placement", "phase", *counts, *_latency_columns(), *usage, *blocks]
