"""What does not rule a placement out, but should be known, and which measurement would settle what is open."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pandas as pd

from harness.advice.flips import Flip
from harness.advice.ranking import Confidence, Ranked
from harness.advice.standing import OTHER_SPEED
from harness.analysis import units
from harness.analysis.records import records
from harness.analysis.summary import summarise
from harness.cost.demand import Demand
from harness.cost.model import CostModel, Option, carrying
from harness.cost.service import usable_per_s
from harness.objectives import objectives_of
from harness.runs import Run
from harness.scenario.function import CONCURRENCY
from harness.statistics import MIN_BLOCKS_FOR_CLAIM

NEAR = 0.8
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Caution:
    """About one arm, or about all of them where it is empty."""

    arm: str
    text: str


def cautions(model: CostModel, ranked: list[Ranked], items: float) -> list[Caution]:
    """Of the arms that are ranked, in that order, then of all."""
    found: list[Caution] = []
    for each in ranked:
        option = model.option(each.arm)
        found += [Caution(each.arm, text) for text in _of(model, option, items)]
    return found + [Caution("", text) for text in _general(model)]


def failed_share(run: Run, arm: str) -> float:
    """How many of an arm's items failed or were given up; 0 of an arm without any."""
    own = summarise(run)
    own = own[own["arm"] == arm]
    planned = int(own["planned"].sum())
    return int((own["failed"] + own["dropped"]).sum()) / planned if planned else 0.0


def measurements(
    model: CostModel, table: pd.DataFrame, ranked: list[Ranked], sure: Confidence, flipped: list[Flip]
) -> list[str]:
    """What to measure next, most telling first; empty where nothing is open. `table` has the verdicts."""
    told = []
    if sure.blocks < MIN_BLOCKS_FOR_CLAIM:
        told.append(
            f"More blocks: {sure.blocks} were valid, a claim takes {MIN_BLOCKS_FOR_CLAIM} (--repeat 12)."
        )
    elif not math.isnan(sure.share) and sure.share < SURE:
        told.append(
            f"More blocks: the order is not sure. Four times as many halve the intervals (--repeat {4 * sure.blocks})."
        )
    for row in records(table[table["verdict"] == "undecided"]):
        then = "measure there" if row.reason == OTHER_SPEED else "more blocks"
        told.append(
            f"Whether {row.arm} meets {row.objective} in phase {row.phase} is open ({row.reason}): {then}."
        )
    if any(flip.over == "speed" for flip in flipped):
        told.append(
            "The speed of AWS, on which the answer depends: run the same image there once, divide its time by that of "
            "this run, and give the result as speed_factor."
        )
    for each in ranked:
        option = model.option(each.arm)
        if option.arm.kind == "service" and not option.sums.saturated:
            told.append(
                f"What a task of {each.arm} can do at the most: no phase of this run kept it busy. Add one in which "
                'all items come at once (kind = "drop").'
            )
    if not objectives_of(model.run.manifest):
        told.append(
            'What you need: state an objective, such as "latency_p95_s < 0.5"; without one only cost decides.'
        )
    return told


def _of(model: CostModel, option: Option, items: float) -> Iterator[str]:
    run, arm = model.run, option.arm
    yield from _ceiling(model, option, items)
    if arm.compute in {"SPOT", "FARGATE_SPOT"}:
        taken = int(((run.events["arm"] == arm.name) & (run.events["kind"] == "instance_interrupted")).sum())
        yield (
            f"Spot capacity can be taken away with two minutes' notice ({taken} times in this run, as the scenario "
            "asked); its price changes from day to day"
        )
    if arm.compute == "LIGHTSAIL_INSTANCES":
        yield "a Lightsail instance is held to a small share of its CPU once its savings are used up; it does not scale"
    if share := failed_share(run, arm.name):
        yield f"{units.percent(share)} of its items failed; each try is paid for"
    if option.utilisation is not None:
        used = option.utilisation
        yield (
            f"a task does {option.figures.rate_per_s:.3g} items/s when never idle, and is planned to be busy "
            f"{units.percent(used.share)} of the time ({used.why}), so that queues stay short"
        )
    if arm.kind == "function" and option.figures.cold:
        yield (
            f"a month is taken to have as many cold starts as the run, {units.percent(option.figures.cold)} of all "
            "items: each of its blocks began anew, so traffic that keeps on has fewer"
        )
    recalled = sorted({
        each.key for each in model.demands(option) if each.price(model.terms).status == "recalled"
    })  # fmt: skip
    if recalled:
        yield f"prices from memory, not checked against AWS's list: {', '.join(recalled)}"


def _ceiling(model: CostModel, option: Option, items: float) -> Iterator[str]:
    """Where the busiest hour takes more at once than the scenario or the account allows."""
    arm, per_s = option.arm, model.terms.shape.peak_per_s(items)
    if arm.kind == "function":
        limit = int(
            arm.settings.get("reserved_concurrency") or arm.settings.get("account_concurrency") or CONCURRENCY
        )
        at_once = per_s * option.figures.invocations * option.figures.billed_s
        if at_once > NEAR * limit:
            yield (
                f"about {at_once:,.0f} invocations would run at once in the busiest hour, and {limit:,} are allowed: "
                "beyond that AWS refuses them (429) until the limit is raised"
            )
    if arm.kind == "batch" and (most := float(arm.settings.get("vcpu_budget") or 0.0)):
        needed = per_s * option.figures.item_s * arm.vcpu
        if needed > most:
            yield (
                f"the busiest hour keeps jobs of {needed:,.1f} vCPU at work, and the scenario's compute environment "
                f"has {most:g} (vcpu_budget): with no more than that items come faster than they are done"
            )
    if arm.kind == "service":
        tasks = math.ceil(per_s / usable_per_s(arm, option.figures, carrying(option)))
        ran = int(arm.settings.get("tasks") or arm.parallel)
        most = int((arm.settings.get("scaling") or {}).get("max_tasks") or 0)
        if most and tasks > most:
            yield (
                f"the busiest hour takes {tasks:,} tasks, and the scenario allows {most:,} (max_tasks): with no more "
                "than that items come faster than they are done"
            )
        elif tasks > ran and not most:
            yield (
                f"the busiest hour takes {tasks:,} tasks; the run had {ran:,}, and more behind one address were not "
                "measured"
            )


def _general(model: CostModel) -> Iterator[str]:
    if model.terms.speed_factor == 1:
        yield "AWS is taken to be as fast as this machine (speed factor 1, not calibrated)"
    if (model.run.manifest.get("engine") or {}).get("name") == "process":
        yield "plain processes stood in for containers, without CPU limits: sizes mean little"
    if model.run.manifest.get("state") != "complete":
        yield f"the run is {model.run.manifest.get('state')}"


def hourly_batch(model: CostModel, out: Collection[str], items: float) -> list[tuple[str, float]]:
    """(arm, US dollars a month) of batch jobs on Fargate that collect items for an hour, the store included; `out` are
    ruled out.
    """
    return [
        (option.name, sum(float(each.over_items(model.terms)(items)) for each in _collected(model, option)))
        for option in model.options
        if option.arm.kind == "batch" and option.arm.compute.startswith("FARGATE") and option.name not in out
    ]  # fmt: skip


def _collected(model: CostModel, option: Option) -> list[Demand]:
    own = model.own_demands(option.arm, option.figures, None, collect_s=3600.0)
    return [*own, *(each for each in model.demands(option) if each.common)]
