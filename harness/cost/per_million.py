"""A first price: US dollars per million items, with a formula that a pocket calculator can check.

`as run` prices what this run did. `busy` is the same placement without pauses: jobs packed so long that the one-minute
minimum is nothing, tasks as busy as in the phase with the highest throughput. A function is billed by use, so its two
are one. Free tiers, storage, requests to storage, logs and data transfer are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

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
    """What the pricing of one arm needs: ok attempts, of all phases, and its containers' lives."""

    attempts: pd.DataFrame
    lives_s: pd.Series
    limits: dict[str, Any]
    parallel: int


def cost_per_million(run: Run, book: PriceBook) -> pd.DataFrame:
    """One row for each placement, phase and basis: COLUMNS. Phases without a good item have none."""
    attempts = run.attempts
    good = attempts[(attempts["outcome"] == "ok") & ~attempts["warmup"]]
    lives_s = container_lives_s(run)
    rows = []
    for name, about in (run.manifest.get("arms") or {}).items():
        if about.get("duplicate_of"):
            continue
        arm = _Arm(good[good["arm"] == name], lives_s, about["limits"], about["parallel"])
        for phase in arm.attempts["phase"].astype(str).unique():
            for found in PRICING[about["placement"]](arm, phase, book):
                rows.append((name, phase, found.basis, found.label, found.usd, found.formula, book.date))
    return pd.DataFrame(rows, columns=COLUMNS)


def container_lives_s(run: Run) -> pd.Series:
    """Seconds from start to end of each container, by its name; without those that were never seen to end."""
    events = run.events[run.events["kind"].isin(["container_started", "container_ended"])]
    moments = events.astype({"container": str, "kind": str}).pivot_table(
        "at_ns", "container", "kind", "first"
    )
    if moments.shape[1] < 2:
        return pd.Series(dtype="float64")
    return ((moments["container_ended"] - moments["container_started"]) / 1e9).dropna()


def lambda_usd(memory_mb: float, billed_s: float, book: PriceBook) -> float:
    """One invocation: the request, and its billed seconds times its memory."""
    compute = memory_mb / MIB_PER_GB * billed_s * float(book.price("lambda_gb_second_x86"))
    return float(book.price("lambda_request")) + compute


def fargate_usd(size: Size, seconds: float, book: PriceBook) -> float:
    """One task: by the second, one minute at the least."""
    return max(seconds, MINIMUM_S) / 3600 * float(size.usd_per_hour(book))


def _function(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    billed_s = arm.attempts.loc[arm.attempts["phase"] == phase, "billed_s"]
    memory_mb = arm.limits["memory_bytes"] / 2**20
    usd = lambda_usd(memory_mb, float(billed_s.mean()), book) * MILLION
    formula = (
        f"1,000,000 x ({book.price('lambda_request'):f} + {memory_mb:g}/1024 GB x {billed_s.mean():.5f} s billed "
        f"x {book.price('lambda_gb_second_x86'):f})"
    )
    return [_Price("as run", "priced on measured", usd, formula)]


def _batch(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    rows = arm.attempts[arm.attempts["phase"] == phase]
    size, hourly = _sized(arm, book)
    lives_s = arm.lives_s.reindex(rows["container"].astype(str).unique()).dropna()
    found = []
    if len(lives_s):
        billed_s = float(lives_s.clip(lower=MINIMUM_S).sum())
        usd = billed_s / 3600 * hourly / len(rows) * MILLION
        formula = (
            f"1,000,000 / {len(rows)} items x {billed_s:.1f} s of {len(lives_s)} jobs (60 s each at the least) / 3600 "
            f"x ${hourly:.6f} an hour ({size.vcpu:g} vCPU, {size.memory_gb:g} GB Fargate)"
        )
        found.append(_Price("as run", "priced on measured", usd, formula))
    item_s = float((rows["done_ns"] - rows["started_ns"]).mean() / 1e9)
    formula = f"1,000,000 x {item_s:.5f} s an item / 3600 x ${hourly:.6f} an hour, in jobs of many minutes"
    found.append(_Price("busy", "priced on modelled", MILLION * item_s / 3600 * hourly, formula))
    return found


def _service(arm: _Arm, phase: str, book: PriceBook) -> list[_Price]:
    size, hourly = _sized(arm, book)
    balancer = float(book.price("load_balancer_hour"))
    rates = {str(name): _rate_per_s(rows) for name, rows in arm.attempts.groupby("phase", observed=True)}
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
    """Good items over the time from the first due to the last done, over blocks together."""
    spans = rows.groupby("block").agg(
        first=("due_ns", "min"), last=("done_ns", "max"), items=("item", "size")
    )
    return float(spans["items"].sum() / ((spans["last"] - spans["first"]).sum() / 1e9))


PRICING: dict[str, Callable[[_Arm, str, PriceBook], list[_Price]]] = {
    "function": _function,
    "batch": _batch,
    "service": _service,
}
