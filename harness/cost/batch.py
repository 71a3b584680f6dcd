"""The bill of Batch jobs: Batch itself is free, what it runs on is not.

Sources, read 2026-11-23: AWS Batch pricing page; AWS Fargate pricing page (by the second from the start of the image's
download, one minute at the least); Amazon EC2 on-demand pricing page (Linux by the second, one minute at the least).
"""

from __future__ import annotations

import math
from typing import Any

from harness.cost.arms import Arm
from harness.cost.demand import MEASURED, MODELLED, Demand
from harness.cost.figures import Figures
from harness.cost.machines import fargate_parts, instance_parts, instance_type
from harness.cost.quantity import Floored
from harness.cost.terms import MINIMUM_S, MONTH_S, Shape

# AWS Batch User Guide, "When to use AWS Batch": jobs of seconds are best packed into jobs of 3 to 5 minutes.
PACKED_S = 300.0


def demands(arm: Arm, figures: Figures, shape: Shape, collect_s: float | None = None) -> list[Demand]:
    """What a month takes. Items are collected as the scenario says, or for `collect_s` into one job.

    In a job of five minutes, or of what came together, each item takes its handler's time and its share of the job's
    own start. A collection costs a minute at the least.
    """
    window_s = collect_s if collect_s is not None else float(arm.settings.get("window_s") or 0.0)
    jobs = 1 if collect_s is not None else int(arm.settings.get("array_size") or 1)
    active_s = MONTH_S * sum(share > 0 for share in shape.shares()) / 24
    collections = active_s / window_s * jobs if window_s else math.inf
    if arm.compute in {"EC2", "SPOT"}:
        return _on_instances(arm, figures)
    if math.isnan(figures.start_s):
        raise ValueError("no container of it was seen to start and to end")
    packed = max(1.0, PACKED_S / figures.item_s)
    each_s = figures.item_s + figures.start_s / packed
    gathered = f"collected for {window_s:g} s into at most {jobs} jobs" if window_s else "a job for each item"
    label = MEASURED if window_s == 0 else MODELLED
    return [
        Demand(
            part, key,
            Floored(per_hour * each_s / 3600, per_hour * MINIMUM_S / 3600, min(collections, 1e15)),
            f"{per_hour:g} x {each_s:.5g} s an item / 3600, and a minute at least of a job, {gathered}", label,
        )
        for part, key, per_hour in fargate_parts(arm)
    ]  # fmt: skip


def _on_instances(arm: Arm, figures: Figures) -> list[Demand]:
    """An instance is busy, waits for more, and ends; one that items keep busy stays."""
    chosen: dict[str, Any] = instance_type(arm)
    if not figures.busy_instance_s > 0:
        raise ValueError("no instance of it was seen to be launched and to end")
    idle_s = float(arm.settings.get("idle_s", 60.0))
    launch_s = float((arm.settings.get("launch") or {}).get("median_s") or 0.0)
    alone_s = max(MINIMUM_S, launch_s + figures.item_s + idle_s)
    kept = math.ceil(float(arm.settings.get("min_vcpu") or 0.0) / chosen["vcpu"])
    floor_s, collections = (kept * MONTH_S, 1.0) if kept else (alone_s, MONTH_S / alone_s)
    why = (
        f"{figures.busy_instance_s:.5g} s of a {chosen['name']} an item; {launch_s:g} s to launch and {idle_s:g} s of "
        f"waiting, as the scenario says; {kept} kept"
    )
    return [
        Demand(
            part, key,
            Floored(per_hour * figures.busy_instance_s / 3600, per_hour * floor_s / 3600, collections), why, MODELLED,
        )
        for part, key, per_hour in instance_parts(arm)
    ]  # fmt: skip
