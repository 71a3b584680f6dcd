"""The bill of a Lambda function.

Source: AWS Lambda pricing page, read 2026-11-23: requests; GB-seconds of duration (INIT included since 2025-08-01),
each invocation rounded up to 1 ms; /tmp above 512 MB; provisioned concurrency for as long as it is configured, to
which the free tier does not apply.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.cells import valid_items
from harness.analysis.grouped import grouped
from harness.analysis.once import once
from harness.cost.arms import Arm
from harness.cost.demand import MODELLED, Demand
from harness.cost.figures import Figures
from harness.cost.quantity import Proportional
from harness.cost.terms import GIB, MB_PER_GB, MONTH_S
from harness.runs import Run
from harness.scenario.function import CAP_S

FREE_TMP_MB = 512
# START, END and REPORT of one invocation, as harness/placements/function/logs.py writes them.
LOG_BYTES = 330


def most_times(run: Run, arm: Arm, speed_factor: float) -> float:
    """How many times as long as here an item may take: the longest of them may run up to the function's cap."""
    return cap_s(arm) / (_longest_s(run)[arm.name] * speed_factor)


@once
def _longest_s(run: Run) -> dict[str, float]:
    """Of each arm the longest time that a finished item took its handler, in seconds of this machine."""
    items = valid_items(run)
    ok = items["ok"].to_numpy(dtype=bool)
    arms = grouped(items, ["arm"]).only(ok)
    return dict(
        zip(arms.keys["arm"], arms.greatest(items["handler_s"].to_numpy(np.float64)[ok]), strict=True)
    )


def cap_s(arm: Arm) -> float:
    """How long one invocation may run at the most; shorter where the scenario scales time."""
    return float(arm.settings.get("cap_s") or CAP_S)


def rates(arm: Arm) -> dict[str, tuple[str, float]]:
    """What a billed second of an invocation takes: part -> key of the price and GB."""
    provisioned = int(arm.settings.get("provisioned_concurrency") or 0)
    compute = "lambda_provisioned_duration_gb_second" if provisioned else "lambda_gb_second"
    found = {"duration": (f"{compute}_{arm.architecture}", arm.memory_gb)}
    tmp_mb = float(arm.settings.get("tmp_mb") or FREE_TMP_MB)
    if tmp_mb > FREE_TMP_MB:
        found["temporary disk"] = ("lambda_storage_gb_second", (tmp_mb - FREE_TMP_MB) / MB_PER_GB)
    return found


def demands(arm: Arm, figures: Figures) -> list[Demand]:
    """What a month takes."""
    provisioned = int(arm.settings.get("provisioned_concurrency") or 0)
    found = [
        Demand(
            "requests", "lambda_request", Proportional(each=figures.invocations),
            f"{figures.invocations:.4g} requests an item, retries and failures included", never_free=provisioned > 0,
        )
    ]  # fmt: skip
    for part, (key, gb) in rates(arm).items():
        why = f"{gb * MB_PER_GB:g}/1024 GB x {figures.billed_s:.6g} s billed an item, {figures.cold:.2g} of them cold"
        rounding_s = figures.rounding_s
        quantity = Proportional(each=gb * rounding_s, each_timed=gb * (figures.billed_s - rounding_s))
        found.append(Demand(part, key, quantity, why, never_free=provisioned > 0))
    if provisioned:
        held = Proportional(fixed=provisioned * arm.memory_gb * MONTH_S)
        why = f"{provisioned} environments x {arm.memory_gb:g} GB x {MONTH_S:,} s of a month"
        key = f"lambda_provisioned_gb_second_{arm.architecture}"
        found.append(Demand("provisioned concurrency", key, held, why))
    logs = Proportional(each=figures.invocations * LOG_BYTES / GIB)
    why = f"{LOG_BYTES} bytes of START, END and REPORT each"
    return [*found, Demand("logs", "logs_ingest_gb", logs, why, MODELLED)]
