"""A first price: US dollars per million items, with a formula that a pocket calculator can check.

`as run` prices what this run did. `busy` is the same placement without pauses: jobs packed so long that the one-minute
minimum is nothing, tasks as busy as in the phase with the highest throughput. A function is billed by use, so its two
are one. Free tiers, storage, requests to storage, logs and data transfer are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.cells import valid_items, valid_tries
from harness.analysis.containers import lives
from harness.cost.book import PriceBook
from harness.cost.fargate import MINIMUM_S, Size, smallest
from harness.runs import Run

COLUMNS = ["arm", "phase", "basis", "label", "usd_per_million", "formula", "price_date"]
MIB_PER_GB = 1024
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class _Price:
    basis: str
    label: str
    usd: float
    formula: str


@dataclass(frozen=True, slots=True)
class _Arm:
    """What the pricing of one arm needs: its items in valid cells, of all phases, and its containers' lives.

    `tries` are all attempts at these items, each of which is billed.
    """

    items: pd.DataFrame
    tries: pd.DataFrame
    lives_s: pd.Series
    limits: dict[str, Any]
    parallel: int


def cost_per_million(run: Run, book: PriceBook) -> pd.DataFrame:
    """One row for each placement, phase and basis: COLUMNS. Phases without a good item in a valid cell have none.

    The price is NaN, and the formula says why, where AWS has no such size.
    """
    measured, tries = valid_items(run), valid_tries(run)
    lives_s = container_lives_s(run)
    rows = []
    for name, about in (run.manifest.get("arms") or {}).items():
        if about.get("duplicate_of"):
            continue
        arm = _Arm(
            items=measured[measured["arm"] == name],
            tries=tries[tries["arm"] == name],
            lives_s=lives_s,
            limits=about["limits"],
            parallel=about["parallel"],
        )
        for phase in arm.items.loc[arm.items["ok"], "phase"].astype(str).unique():
            try:
                priced = PRICING[about["placement"]](arm, phase, book)
            except ValueError as error:
                priced = [_Price("as run", "not priced", math.nan, str(error))]
            rows += [
                (name, phase, found.basis, found.label, found.usd, found.formula, book.date)
                for found in priced
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def container_lives_s(run: Run) -> pd.Series:
    """Seconds from start to end of each container, by its name; without those that were never seen to end."""
    found = lives(run.events)
    return pd.Series(
        (found["ended_ns"] - found["started_ns"]).to_numpy() / 1e9, index=found["container"], dtype="float64"
    )


def lambda_usd(memory_mb: float, billed_s: float, book: PriceBook) -> float:
    """One invocation: the request, and its billed seconds times its memory."""
    compute = memory_mb / MIB_PER_GB * billed_s * float(book.price("lambda_gb_second_x86"))
    return float(book.price("lambda_request")) + compute


def fargate_usd(size: Size, seconds: float, book: PriceBook) -> float:
    """One task: by the second, one minute at the least."""
    return max(seconds, MINIMUM_S) / 3600 * float(size.usd_per_hour(book))


def _function(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    """Failed invocations and earlier tries are billed too, so the whole bill is divided by the good items."""
    billed_s = arm.tries.loc[arm.tries["phase"] == phase, "billed_s"].dropna()
    memory_mb = arm.limits["memory_bytes"] / 2**20
    good = int(arm.items.loc[arm.items["phase"] == phase, "ok"].sum())
    bill_usd = len(billed_s) * lambda_usd(memory_mb, float(billed_s.mean()), book)
    formula = (
        f"1,000,000 / {good} items x {len(billed_s)} requests x ({book.price('lambda_request'):f} + "
        f"{memory_mb:g}/1024 GB x {billed_s.mean():.5f} s billed x {book.price('lambda_gb_second_x86'):f})"
    )
    return [_Price("as run", "priced on measured", bill_usd / good * MILLION, formula)]


def _batch(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    if arm.limits.get("cpu") == "share":
        raise ValueError("the price book has no EC2 instances yet")
    rows = arm.items[arm.items["phase"] == phase]
    good = rows[rows["ok"]]
    size, hourly = _sized(arm, book)
    lives_s = arm.lives_s.reindex(rows["container"].astype(str).unique()).dropna()
    found = []
    if len(lives_s):
        billed_s = float(lives_s.clip(lower=MINIMUM_S).sum())
        usd = billed_s / 3600 * hourly / len(good) * MILLION
        formula = (
            f"1,000,000 / {len(good)} items x {billed_s:.1f} s of {len(lives_s)} jobs (60 s each at the least) / 3600 "
            f"x ${hourly:.6f} an hour ({size.vcpu:g} vCPU, {size.memory_gb:g} GB Fargate)"
        )
        found.append(_Price("as run", "priced on measured", usd, formula))
    item_s = float(good["handler_s"].mean())
    formula = f"1,000,000 x {item_s:.5f} s an item / 3600 x ${hourly:.6f} an hour, in jobs of many minutes"
    found.append(_Price("busy", "priced on modelled", MILLION * item_s / 3600 * hourly, formula))
    return found


def _service(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    size, hourly = _sized(arm, book)
    balancer = float(book.price("load_balancer_hour"))
    good = arm.items[arm.items["ok"]]
    rates = {str(name): _rate_per_s(rows) for name, rows in good.groupby("phase", observed=True)}
    found = []
    for basis, label, rate_per_s in (
        ("as run", "priced on measured", rates[phase]),
        ("busy", "priced on modelled", max(rates.values())),
    ):
        usd = (arm.parallel * hourly + balancer) / (rate_per_s * 3600) * MILLION
        formula = (
            f"1,000,000 x ({arm.parallel} tasks x ${hourly:.6f} ({size.vcpu:g} vCPU, {size.memory_gb:g} GB Fargate) "
            f"+ ${balancer:g} load balancer) an hour / ({rate_per_s:.2f} items/s x 3600)"
        )
        found.append(_Price(basis, label, usd, formula))
    return found


def _sized(arm: _Arm, book: PriceBook) -> tuple[Size, float]:
    size = smallest(arm.limits["vcpu"], arm.limits["memory_bytes"])
    return size, float(size.usd_per_hour(book))


def _rate_per_s(rows: pd.DataFrame) -> float:
    """Good items a second: as they were done, and no faster than they came where they came one by one.

    From first due to last done lacks the pause that follows the last item, so it alone would flatter a paced phase.
    """
    blocks = rows.groupby("block").agg(
        first=("due_ns", "min"), due=("due_ns", "max"), done=("done_ns", "max"), items=("due_ns", "size")
    )
    done_per_s = float(blocks["items"].sum() / ((blocks["done"] - blocks["first"]).sum() / 1e9))
    paced_s = float((blocks["due"] - blocks["first"]).sum() / 1e9)
    return min(done_per_s, float((blocks["items"] - 1).sum()) / paced_s) if paced_s else done_per_s


PRICING: dict[str, Callable[[_Arm, str, PriceBook], list[_Price]]] = {
    "function": _function,
    "batch": _batch,
    "service": _service,
}
