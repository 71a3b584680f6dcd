"""How much of its memory each arm used, and which size would do."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from harness.analysis.cells import arms
from harness.rows import NO_BLOCK
from harness.runs import Run
from harness.sizes import FARGATE

COLUMNS = ["arm", "memory_peak_bytes", "limit_bytes", "would_do_mb", "would_do"]
MIB = 2**20
# Peaks differ from run to run, and inputs from those measured: a fifth more than was seen.
SPARE = 0.2
# The kernel takes back cached files at the limit, so a peak just below it says that no less was tried.
AT_LIMIT = 0.98
# Beyond this, the limit was none: plain processes have one that is only watched.
OVER_LIMIT = 1.02
# From 128 MB in steps of 1 MB. Source: AWS Lambda Developer Guide, "Configure Lambda function memory", read 2026-11-23.
LEAST_FUNCTION_MB = 128


def headroom(run: Run) -> pd.DataFrame:
    """One row for each arm whose memory was read and whose limit is known: COLUMNS.

    `memory_peak_bytes` is the highest of any container, cached files included. `would_do_mb` is the smallest size that
    AWS sells with a fifth to spare, NaN where the peak is the limit itself; `would_do` says so in words.
    """
    # Without the calibration, whose containers do nothing.
    own = (run.samples["block"] > NO_BLOCK).to_numpy()
    samples = run.samples.loc[own, ["arm", "memory_peak_bytes"]].dropna()
    peaks = samples.groupby("arm", observed=True)["memory_peak_bytes"].max().astype("float64")
    seen = run.attempts.groupby("arm", observed=True)["memory_peak_bytes"].max().astype("float64")
    rows = []
    for arm, about in arms(run).items():
        limit = (about.get("limits") or {}).get("memory_bytes")
        # What the sampler read of control groups, and only without it what attempts brought.
        peak = next((float(each[arm]) for each in (peaks, seen) if arm in each and each[arm] > 0), math.nan)
        if limit and not math.isnan(peak):
            rows.append((arm, peak, float(limit), *_would_do(about, peak, float(limit))))
    return pd.DataFrame(rows, columns=COLUMNS)


def _would_do(about: dict[str, Any], peak_bytes: float, limit_bytes: float) -> tuple[float, str]:
    if AT_LIMIT * limit_bytes <= peak_bytes <= OVER_LIMIT * limit_bytes:
        return math.nan, "it reached its limit, so what would do is not known"
    needed_mb = math.ceil(peak_bytes * (1 + SPARE) / MIB)
    if about["placement"] == "function":
        size_mb = max(LEAST_FUNCTION_MB, needed_mb)
        note = f"{size_mb:,} MB would do, but a function's memory also sets its share of CPU"
    else:
        vcpu = float((about.get("limits") or {}).get("vcpu") or 0.0)
        fitting = [size for size in FARGATE if size.vcpu >= vcpu - 0.01 and size.memory_mb >= needed_mb]
        if not fitting:
            return float(needed_mb), f"{needed_mb:,} MB would do"
        size_mb = min(fitting).memory_mb
        note = f"{needed_mb:,} MB would do, on Fargate {min(fitting)}"
    return float(size_mb), f"{note}"
