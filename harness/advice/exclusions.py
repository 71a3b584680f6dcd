"""What rules a placement out, whatever it costs, each with the rows that show it.

Source of Lambda's limits: AWS Lambda Developer Guide, "Lambda quotas", read 2026-11-23: 900 s, 10,240 MB of memory and
as much of /tmp, images of 10 GB, payloads of 6 MB in a request and 1 MB in an event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.advice.standing import at_speed
from harness.analysis import units
from harness.analysis.cells import valid_items
from harness.analysis.records import records
from harness.analysis.summary import summarise
from harness.cost.arms import Arm
from harness.cost.function import cap_s
from harness.cost.model import CostModel
from harness.objectives import Objective, objectives_of
from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run
from harness.scenario.function import CAP_S, MEMORY_MB, TMP_MB

MIB = 2**20
IMAGE_BYTES = 10 * 2**30
PAYLOAD_BYTES = {"event": MIB, "request": 6 * MIB}
# As Lambda names them: RequestTooLargeException, RequestEntityTooLarge, Function.ResponseSizeTooLarge.
TOO_LARGE = r"TooLarge"
# A placement that loses more than one item in twenty in some phase does not do the work, whatever it costs.
MOST_FAILED = 0.05
DISK_FULL = r"No space left on device|ENOSPC"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """`kind` is for programs: time, memory, payload, image, disk, cold_start, objective, failures or price."""

    arm: str
    kind: str
    reason: str
    evidence: str


@dataclass(frozen=True)
class _Rows:
    """Attempts outside the calibration: of an arm the good and the others, and of every arm."""

    good: pd.DataFrame
    bad: pd.DataFrame
    every: pd.DataFrame

    @cached_property
    def unfinished(self) -> pd.DataFrame:
        """What other arms tried at items that this one never finished: it may have been spared what they took."""
        names = set(self.bad["item"]) - set(self.good["item"])
        return self.every[self.every["item"].isin(names).to_numpy()] if names else self.every.iloc[:0]


def exclusions(model: CostModel, table: pd.DataFrame, slower: float = 1.0) -> list[Exclusion]:
    """Every reason against every arm, in the arms' order; `table` has the verdicts, and AWS takes `slower` times as
    long as the model's terms say.
    """
    run = model.run
    every = run.attempts[(run.attempts["block"] > NO_BLOCK).to_numpy()]
    ok = (every["outcome"] == Outcome.OK).to_numpy()
    priced = {option.name for option in model.options}
    found: list[Exclusion] = []
    for arm in model.arms:
        mine = (every["arm"] == arm.name).to_numpy()
        rows = _Rows(every[mine & ok], every[mine & ~ok], every)
        if arm.kind == "function":
            found += _function(run, arm, rows, model.terms.speed_factor * slower)
        found += _memory(arm, rows.bad)
        found += _failures(run, arm)
        missed = list(_objectives(model, arm, table[table["arm"] == arm.name], slower))
        found += missed
        if not missed and (expect := _infeasible(model, arm, slower)):
            reason = f"the objective {expect} is missed at any load"
            found.append(Exclusion(arm.name, "objective", reason, "a task that is idle takes longer"))
    found += [
        Exclusion(name, "price", "it cannot be priced", reason)
        for name, reason in model.unpriced.items()
        if name not in priced and name not in model.infeasible
    ]
    return found


def _infeasible(model: CostModel, arm: Arm, slower: float) -> str:
    if arm.name in model.infeasible:
        return model.infeasible[arm.name]
    options = {each.name: each for each in model.options}
    return model.slower(options[arm.name], slower).infeasible if arm.name in options else ""


def _failures(run: Run, arm: Arm) -> Iterator[Exclusion]:
    """Unless the scenario says how many may fail."""
    if any(
        each.parts[0] == "error_rate" and each.placement in {None, arm.name}
        for each in objectives_of(run.manifest)
    ):
        return
    lost = [
        (
            (row.failed + row.dropped) / row.planned,
            f"{row.failed + row.dropped:,} of {row.planned:,}",
            row.phase,
        )
        for row in records(summarise(run))
        if row.arm == arm.name and row.planned
    ]
    share, counted, phase = max(lost, default=(0.0, "", ""))
    if share > MOST_FAILED:
        reason = f"more than {units.percent(MOST_FAILED)} of its items failed"
        yield Exclusion(arm.name, "failures", reason, f"{counted} items in phase {phase}")


def _function(run: Run, arm: Arm, rows: _Rows, speed_factor: float) -> Iterator[Exclusion]:
    bad = rows.bad
    most_s = cap_s(arm)
    scaled = "" if most_s == CAP_S else f" (a cap of {CAP_S} s, scaled to {most_s:g} s)"
    longest_s = {
        "one of its own items took": float(rows.good["handler_s"].max()) * speed_factor,
        "an item that it never finished took": float(rows.unfinished["handler_s"].max()) * speed_factor,
    }
    ended = int((bad["outcome"] == Outcome.TIMEOUT).sum())
    limit_s = float(arm.settings.get("timeout_s") or most_s)
    if ended:
        whose = "a function may run" if limit_s >= most_s else "its own time limit allows"
        evidence = f"{ended} invocations were ended after {units.duration(limit_s)}{scaled}"
        yield Exclusion(arm.name, "time", f"the work takes longer than {whose}", evidence)
    for which, took_s in longest_s.items():
        if took_s > most_s and not ended:
            evidence = f"{which} {units.duration(took_s)}{_at(speed_factor)}{scaled}"
            yield Exclusion(arm.name, "time", "the work takes longer than a function may run", evidence)
    peak_bytes = float(rows.unfinished["memory_peak_bytes"].max())
    if peak_bytes > MEMORY_MB[1] * MIB:
        evidence = f"elsewhere an item that it never finished used {units.size(peak_bytes)}"
        yield Exclusion(arm.name, "memory", f"a function has {MEMORY_MB[1]:,} MB at the most", evidence)
    size_bytes = (run.manifest.get("image") or {}).get("size_bytes") or 0
    if size_bytes > IMAGE_BYTES:
        evidence = f"the image has {units.size(size_bytes)}"
        yield Exclusion(arm.name, "image", "an image of a function has 10 GB at the most", evidence)
    yield from _payload(arm, bad)
    full = int(bad["error"].astype(str).str.contains(DISK_FULL).sum())
    if full:
        tmp_mb = int(arm.settings.get("tmp_mb") or TMP_MB[0])
        most = "the most there is" if tmp_mb >= TMP_MB[1] else f"up to {TMP_MB[1]:,} MB can be had"
        evidence = f"{full} invocations found it full; it had {tmp_mb:,} MB, and {most}"
        yield Exclusion(arm.name, "disk", "the work needs more /tmp than the function has", evidence)


def _at(speed_factor: float) -> str:
    return "" if speed_factor == 1 else f" at speed factor {speed_factor:g}"


def _payload(arm: Arm, bad: pd.DataFrame) -> Iterator[Exclusion]:
    how = str(arm.settings.get("invocation") or "event")
    most_bytes = PAYLOAD_BYTES[how]
    own_bytes = len(json.dumps(arm.settings["payload"]).encode()) if arm.settings.get("payload") else 0
    refused = int(bad["error"].astype(str).str.contains(TOO_LARGE).sum())
    if own_bytes > most_bytes or refused:
        evidence = (
            f"{refused} invocations were refused" if refused else f"the payload has {units.size(own_bytes)}"
        )
        reason = f"a payload of an {how} has {units.size(most_bytes)} at the most" if how == "event" else (
            f"a payload of a {how} or its answer has {units.size(most_bytes)} at the most")  # fmt: skip
        yield Exclusion(arm.name, "payload", reason, evidence)


def _memory(arm: Arm, bad: pd.DataFrame) -> Iterator[Exclusion]:
    killed = int((bad["outcome"] == Outcome.OUT_OF_MEMORY).sum())
    if killed:
        evidence = f"{killed} attempts were ended for want of memory"
        yield Exclusion(arm.name, "memory", f"{arm.memory_mb:g} MB are not enough", evidence)


def _objectives(model: CostModel, arm: Arm, table: pd.DataFrame, slower: float) -> Iterator[Exclusion]:
    speed_factor = model.terms.speed_factor * slower
    known = {each.expect: at_speed(each, speed_factor) for each in objectives_of(model.run.manifest)}
    for row in records(table[table["verdict"] == "missed"]):
        text = units.duration if row.objective.startswith("latency") else units.digits
        found = units.bounded(text, row.value, row.low, row.high)
        evidence = f"{found} in phase {row.phase}{_at(speed_factor)}"
        if pd.isna(row.value):
            evidence = f"{row.reason}, in phase {row.phase}"
        if told := _cold(model.run, arm, row.phase, known[row.objective]):
            yield Exclusion(arm.name, "cold_start", f"cold starts break the objective {row.objective}", told)
        else:
            yield Exclusion(arm.name, "objective", f"the objective {row.objective} is missed", evidence)


def _cold(run: Run, arm: Arm, phase: str, objective: Objective) -> str:
    """What shows that warm items alone would meet it; empty where they would not, or none was cold.

    In seconds of this machine, the objective's too.
    """
    if objective.quantile is None:
        return ""
    items = valid_items(run)
    items = items[(items["arm"] == arm.name) & (items["phase"] == phase) & items["ok"]]
    cold_s, warm_s = (items.loc[items["cold"] == which, "latency_s"].to_numpy() for which in (True, False))
    if not len(cold_s) or not len(warm_s):
        return ""
    warm = float(pd.Series(warm_s).quantile(objective.quantile))
    if not objective.satisfied_by(warm):
        return ""
    return (
        f"{len(cold_s)} of {len(items)} items in phase {phase} met a cold start and took "
        f"{units.duration(float(pd.Series(cold_s).median()))} here at the median; the warm ones alone would meet it "
        f"({units.duration(warm)})"
    )
