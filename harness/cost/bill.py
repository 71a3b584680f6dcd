"""What AWS would bill for exactly this run: every attempt, container and instance of every block, warm-up included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.instances import instances
from harness.cost import common, function, service
from harness.cost.arms import LIGHTSAIL, Arm, arms_of
from harness.cost.book import PriceError
from harness.cost.demand import MEASURED, MODELLED, Label
from harness.cost.machines import DISK_GB, fargate_parts
from harness.cost.measured import billed_minutes_s, billed_s, task_lives
from harness.cost.terms import GIB, MONTH_H, MONTH_S, Terms
from harness.cost.tiers import equation, in_words, tiered_usd
from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run

COUNTS = ["attempts", "ran", "finished", "invocations", "billed_s"]
COLUMNS = ["arm", "part", "quantity", "unit", "usd", "usd_free_tier", "label", "formula"]


@dataclass(frozen=True, slots=True)
class _Line:
    part: str
    key: str
    quantity: float
    how: str
    label: Label = MEASURED


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that the lines of a bill are made of; `attempts` and `finished` are counted by arm."""

    run: Run
    terms: Terms
    counts: pd.DataFrame
    lives: pd.DataFrame
    instances: pd.DataFrame

    def of(self, arm: Arm) -> dict[str, float]:
        """The counts of an arm."""
        return {name: float(self.counts[name].get(arm.name, 0)) for name in COUNTS}

    def lives_s(self, arm: Arm) -> pd.Series:
        """Of each container of an arm; ValueError where none is known."""
        own = self.lives[self.lives["arm"] == arm.name]
        if own.empty:
            raise ValueError("no container of it was seen to start and to end")
        return (own["ended_ns"] - own["started_ns"]) / 1e9


def bill(run: Run, terms: Terms) -> pd.DataFrame:
    """One row for each arm (A/A duplicates too) and part: COLUMNS.

    `usd_free_tier` is with the free tier, as though the arm were alone in its account. What has no price has NaN, and
    its formula says why. Seconds are those of AWS: `terms.speed_factor` times what was measured.
    """
    seen = _Seen(run, terms, _counts(run, terms.speed_factor), task_lives(run), instances(run))
    # What was kept running is billed, also where no item reached it.
    there = {*seen.counts.index, *run.events.loc[run.events["block"] > NO_BLOCK, "arm"].astype(str)}
    rows = [
        (arm.name, *row)
        for arm in arms_of(run, duplicates=True)
        if arm.name in there
        for row in _priced(arm, seen)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _priced(arm: Arm, seen: _Seen) -> Iterator[tuple[Any, ...]]:
    try:
        for line in [*_own(arm, seen), *_common(arm, seen)]:
            price = seen.terms.book.entry(line.key)
            free = not (arm.settings.get("provisioned_concurrency") and line.key.startswith("lambda"))
            usd = [float(tiered_usd(line.quantity, price, free=each)) for each in (False, free)]
            sums = in_words(line.quantity, price, free=False)
            formula = f"{equation(line.how, line.quantity, price.unit)}; {sums}"
            yield line.part, line.quantity, price.unit, usd[0], usd[1], line.label, formula
    except (PriceError, ValueError) as error:
        yield "not priced", np.nan, "", np.nan, np.nan, "not priced", str(error)


def _own(arm: Arm, seen: _Seen) -> list[_Line]:
    if arm.kind == "function":
        return _function(arm, seen)
    if arm.compute in {"EC2", "SPOT"}:
        lines = _instances(arm, seen)
    elif arm.compute in LIGHTSAIL:
        return _bundles(arm, seen)
    else:
        lines = _fargate(arm, seen)
    return lines if arm.kind == "batch" else [*lines, *_balancer(arm, seen)]


def _function(arm: Arm, seen: _Seen) -> list[_Line]:
    row = seen.of(arm)
    count, seconds = round(row["invocations"]), float(row["billed_s"])
    lines = [_Line("requests", "lambda_request", count, f"{count:,} requests")]
    for part, (key, gb) in function.rates(arm).items():
        lines.append(_Line(part, key, gb * seconds, f"{gb:.6g} GB x {seconds:,.3f} s billed"))
    if provisioned := int(arm.settings.get("provisioned_concurrency") or 0):
        held_s = _up_s(seen.run, arm) * seen.terms.speed_factor
        how = f"{provisioned} x {arm.memory_gb:.6g} GB x {held_s:,.3f} s"
        key = f"lambda_provisioned_gb_second_{arm.architecture}"
        lines.append(_Line("provisioned concurrency", key, provisioned * arm.memory_gb * held_s, how))
    how = f"{count:,} x {function.LOG_BYTES} bytes / 2^30"
    return [*lines, _Line("logs", "logs_ingest_gb", count * function.LOG_BYTES / GIB, how, MODELLED)]


def _fargate(arm: Arm, seen: _Seen) -> list[_Line]:
    lives_s = seen.lives_s(arm)
    seconds = float(billed_minutes_s(lives_s, seen.terms.speed_factor).sum())
    counted = f"{seconds:,.1f} s of {len(lives_s):,} containers, 60 s each at the least"
    return [
        _Line(part, key, per_hour * seconds / 3600, f"{per_hour:g} x {counted} / 3600")
        for part, key, per_hour in fargate_parts(arm)
    ]


def _instances(arm: Arm, seen: _Seen) -> list[_Line]:
    own = seen.instances[seen.instances["arm"] == arm.name].dropna(subset=["ended_ns"])
    if own.empty:
        raise ValueError("no instance of it was seen to be launched and to end")
    up_s = (own["ended_ns"] - own["launched_ns"]).astype("float64") / 1e9
    billed = billed_minutes_s(up_s, seen.terms.speed_factor).groupby(own["type"]).agg(["sum", "size"])
    label = MODELLED if (own["assumed_launch_s"] > 0).any() else MEASURED
    spot = "spot_" if arm.compute == "SPOT" else ""
    lines = []
    for name, seconds, count in billed.itertuples():
        how = f"{seconds:,.1f} s of {count} {name}, launch to end, 60 s at least / 3600"
        hours = seconds / 3600
        lines += [
            _Line("instances", f"ec2_{spot}{name.replace('.', '_')}", hours, how, label),
            _Line(
                "disk",
                "ebs_gp3_gb_month",
                hours * DISK_GB / MONTH_H,
                f"{DISK_GB} GB x {how} / {MONTH_H}",
                label,
            ),
            _Line("public IPv4", "public_ipv4_hour", hours, how, label),
        ]
    return lines


def _bundles(arm: Arm, seen: _Seen) -> list[_Line]:
    """Lightsail counts begun hours, and no more of a month than its price."""
    hours = float(np.ceil(seen.lives_s(arm) * seen.terms.speed_factor / 3600).sum())
    key = f"lightsail_{LIGHTSAIL[arm.compute]}_{arm.settings.get('bundle')}_month"
    return [_Line("bundles", key, hours / MONTH_H, f"{hours:g} h, begun ones whole / {MONTH_H}")]


def _balancer(arm: Arm, seen: _Seen) -> list[_Line]:
    """One, from the first task to the last; an hour that began counts whole."""
    own = seen.lives[seen.lives["arm"] == arm.name]
    up_s = (own["ended_ns"].max() - own["started_ns"].min()) / 1e9 * seen.terms.speed_factor
    hours = float(np.ceil(up_s / 3600))
    requests = round(seen.of(arm)["attempts"])
    units = requests / service.CONNECTIONS_PER_LCU_S / 3600
    addresses = service.BALANCER_ADDRESSES
    return [
        _Line("load balancer", "load_balancer_hour", hours, f"{hours:g} h, begun ones whole"),
        _Line(
            "load balancer",
            "load_balancer_lcu_hour",
            units,
            f"{requests:,} connections / 25 / 3600",
            MODELLED,
        ),
        _Line(
            "public IPv4",
            "public_ipv4_hour",
            addresses * hours,
            f"{addresses} of the load balancer x {hours:g} h",
        ),
    ]


def _common(arm: Arm, seen: _Seen) -> list[_Line]:
    row = seen.of(arm)
    ran, done, outputs = round(row["ran"]), round(row["finished"]), common.outputs_per_item(seen.run)
    lines = [
        _Line("store reads", "s3_get", ran, f"{ran:,} tries", MODELLED),
        _Line("store writes", "s3_put", done * outputs, f"{done:,} items x {outputs}", MODELLED),
        _Line("rows", "dynamodb_write", done, f"{done:,} items", MODELLED),
    ]
    held, basis = common.image_gb(seen.run)
    if held:
        up_s = _up_s(seen.run, arm) * seen.terms.speed_factor
        how = f"{held:.4g} GB ({basis}) x {up_s:,.1f} s / {MONTH_S:,}"
        lines.append(_Line("image", "ecr_gb_month", held * up_s / MONTH_S, how))
    return lines


def _up_s(run: Run, arm: Arm) -> float:
    """How long the arm was there, over all blocks."""
    own = run.events[(run.events["arm"] == arm.name) & (run.events["block"] > NO_BLOCK)]
    times = own.groupby("block")["at_ns"].agg(["min", "max"])
    return float((times["max"] - times["min"]).sum()) / 1e9


def _counts(run: Run, speed_factor: float) -> pd.DataFrame:
    """By arm, over all attempts outside the calibration: COUNTS."""
    rows = run.attempts
    arm = rows["arm"].astype("category").cat
    within = rows["block"].to_numpy() > NO_BLOCK
    codes, names = arm.codes.to_numpy(), arm.categories.astype(str)
    seconds = billed_s(rows["billed_s"].to_numpy(dtype=np.float64), speed_factor)
    known = {
        "attempts": within,
        "ran": within & rows["handler_s"].notna().to_numpy(),
        "finished": within & (rows["outcome"] == Outcome.OK).to_numpy(),
        "invocations": within & ~np.isnan(seconds),
    }
    found = {name: np.bincount(codes[mask], minlength=len(names)) for name, mask in known.items()}
    billed = known["invocations"]
    found["billed_s"] = np.bincount(codes[billed], weights=seconds[billed], minlength=len(names))
    table = pd.DataFrame(found, index=names)
    return table[table["attempts"] > 0]
