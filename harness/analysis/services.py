"""What a service did beside answering: deployments, scaling, replaced tasks, and limits of bursting instances."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from harness.rows import NO_BLOCK
from harness.runs import Run

COLUMNS = ["block", "arm", "at_s", "what", "why"]
KINDS = {
    "deployment_started", "deployment_completed", "deployment_failed", "deployment_rolled_back",
    "deployment_unfinished", "scaled", "task_unhealthy", "service_watch_failed", "burst_limited", "burst_restored",
    "burst_not_enforced", "balancer_ended", "balancer_restarted", "balancer_failed", "port_taken",
}  # fmt: skip
TITLES = {
    "deployment_unfinished": "a deployment was not finished",
    "task_unhealthy": "a task was found unhealthy",
    "service_watch_failed": "what scales, deploys or limits the service failed",
}
REPLACED = "STOPPED"
IN_ORDER = ("the service is closed", "takes its place", "more tasks than are desired")


def service_log(run: Run) -> pd.DataFrame:
    """One row for each such event: COLUMNS, `at_s` being seconds since its arm was ready.

    The first deployment of each block is none of them, and neither is a task that ended because it was told to.
    """
    events = run.events[run.events["block"] > NO_BLOCK].astype({"arm": str, "kind": str, "detail": str})
    first = events[events["kind"] == "arm_ready"].groupby(["block", "arm"])["at_ns"].min()
    ready: dict[Any, int] = first.to_dict()
    rows = []
    for event in events[events["kind"].isin(KINDS | {"task_state"})].itertuples():
        detail: dict[str, Any] = json.loads(str(event.detail)) if event.detail else {}
        words = told(str(event.kind), detail)
        arm = str(event.arm).removesuffix("-balancer")
        since_ns = ready.get((event.block, arm))
        if words is None or since_ns is None:
            continue
        at_s = (int(str(event.at_ns)) - since_ns) / 1e9
        if at_s >= 0:
            rows.append((event.block, arm, at_s, *words))
    return pd.DataFrame(rows, columns=COLUMNS)


def told(kind: str, detail: dict[str, Any]) -> tuple[str, str] | None:
    """What happened and why, in words."""
    reason, title = str(detail.get("reason", "")), TITLES.get(kind, kind.replace("_", " "))
    if kind == "task_state":
        ended = detail["state"] == REPLACED and reason and not reason.endswith(IN_ORDER)
        return ("a task ended and was replaced", reason) if ended else None
    if kind == "scaled":
        change = f"scaled {detail['direction']} from {detail['before']} to {detail['after']} tasks"
        side = "above the target" if detail["direction"] == "out" else "below 0.9 of the target"
        row = f"{detail['value']:.3g} on average over {detail['periods']} periods, all {side}"
        return change, f"{detail['metric']} was {row} of {detail['target']:g}"
    if kind.startswith("deployment_") and kind not in TITLES:
        state = kind.removeprefix("deployment_").replace("_", " ")
        counts = f"{detail['running']} of {detail['desired']} tasks running"
        return f"deployment of revision {detail['revision']} {state}", reason or counts
    if kind.startswith("burst_"):
        limit = f" to {detail['vcpu']:g} vCPU" if "vcpu" in detail else ""
        return title + limit, reason or "credits are assumed"
    return title, reason or str(detail.get("printed", ""))
