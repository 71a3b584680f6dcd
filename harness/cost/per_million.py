"""US dollars per million items, for each placement and phase, with a formula that a pocket calculator can check.

`as run` prices what this run did. `busy` is the same placement without pauses: jobs packed so long that the one-minute
minimum is nothing, instances and tasks that are never idle. A function is billed by use, so its two are one. Only what
the placement takes is counted: the store and the image cost the same in each of them. Free tiers are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import pandas as pd

from harness.cost import function, service
from harness.cost.arms import LIGHTSAIL, Arm
from harness.cost.book import PriceError
from harness.cost.demand import MEASURED, MODELLED
from harness.cost.machines import Parts, fargate_parts, instance_parts, per_instance
from harness.cost.model import CostModel
from harness.cost.terms import GIB, MONTH_H, Terms

COLUMNS = ["arm", "phase", "basis", "label", "usd_per_million", "formula", "price_date"]
MILLION = 1_000_000

Priced = tuple[str, str, float, str]  # basis, label, US dollars per million, formula


def cost_per_million(model: CostModel, blocks: Collection[int] | None = None) -> pd.DataFrame:
    """One row for each placement, phase and basis: COLUMNS; phases without a good item in a valid cell have none.

    Over all valid blocks, or those given. The price is NaN, and the formula says why, where AWS has no such size.
    """
    rows = []
    cells = model.cells if blocks is None else model.cells[model.cells["block"].isin(blocks)]
    for arm in model.arms:
        own = cells[cells["arm"] == arm.name]
        for phase, part in own.groupby("phase", sort=False):
            sums = part.drop(columns=["block", "arm", "phase"]).sum()
            if not sums["ok"]:
                continue
            try:
                found = PRICING[arm.kind](arm, sums, model)
            except (PriceError, ValueError) as error:
                found = [("as run", "not priced", math.nan, str(error))]
            rows += [(arm.name, str(phase), *each, model.terms.book.date) for each in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _function(arm: Arm, sums: pd.Series, model: CostModel) -> list[Priced]:
    """Failed invocations and earlier tries are billed too, so the whole bill is divided by the good items."""
    book, count, good = model.terms.book, int(sums["invocations"]), int(sums["ok"])
    each_s = float(sums["billed_s"]) / count
    rates = function.rates(arm)
    timed = sum(gb * float(book.price(key)) for key, gb in rates.values())
    log_usd = function.LOG_BYTES / GIB * float(book.price("logs_ingest_gb"))
    usd = count * (float(book.price("lambda_request")) + each_s * timed + log_usd) / good * MILLION
    seconds = " + ".join(
        f"{each_s:.6f} s billed x {gb:.7g} GB x {book.price(key):f}" for key, gb in rates.values()
    )
    formula = (
        f"1,000,000 / {good} items x {count} requests x ({book.price('lambda_request'):f} + {seconds} + "
        f"{log_usd:.3e} logs)"
    )
    return [("as run", MEASURED, usd, formula)]


def _batch(arm: Arm, sums: pd.Series, model: CostModel) -> list[Priced]:
    good, terms = int(sums["ok"]), model.terms
    if arm.compute in {"EC2", "SPOT"}:
        hourly = _hourly(instance_parts(arm), terms)
        what = f"a {arm.settings['instances'][0]['name']} with disk and address"
        seconds = {"as run": float(sums["instance_s"]), "busy": float(sums["busy_instance_s"])}
        told = {"as run": "s of instances, idle ones too", "busy": "s in which they were busy"}
    else:
        hourly = _hourly(fargate_parts(arm), terms)
        what = f"{arm.size} on Fargate, with an address"
        seconds = {"as run": float(sums["billed_job_s"]), "busy": float(sums["handler_s"])}
        told = {
            "as run": f"s of {int(sums['jobs'])} jobs, 60 s each at the least",
            "busy": "s of handlers alone",
        }
    return [
        (
            basis, label, MILLION / good * seconds[basis] / 3600 * hourly,
            f"1,000,000 / {good} items x {seconds[basis]:.2f} {told[basis]} / 3600 x ${hourly:.6f} an hour ({what})",
        )
        for basis, label in (("as run", MEASURED), ("busy", MODELLED))
        if seconds[basis] > 0
    ]  # fmt: skip


def _service(arm: Arm, sums: pd.Series, model: CostModel) -> list[Priced]:
    terms = model.terms
    tasks = float(sums["task_s"] / sums["span_s"]) or float(arm.parallel)
    hourly, what = _task_hourly(arm, terms)
    shared, why = _balancer_hourly(arm, terms)
    connection = (
        0.0 if arm.compute in LIGHTSAIL else float(terms.book.price("load_balancer_lcu_hour")) / 90_000
    )
    option = {each.name: each for each in model.options}.get(arm.name)
    rates = {"as run": float(sums["ok"] / sums["span_s"])}
    if option is not None:
        rates["busy"] = option.figures.rate_per_s * tasks
    return [
        (
            basis, label, ((tasks * hourly + shared) / (rates[basis] * 3600) + connection) * MILLION,
            f"1,000,000 x (({tasks:.4g} tasks x ${hourly:.6f} ({what}) + ${shared:.4f} {why}) an hour / "
            f"({rates[basis]:.3f} items/s x 3600) + {connection:.3e} for load)",
        )
        for basis, label in (("as run", MEASURED), ("busy", MODELLED))
        if basis in rates
    ]  # fmt: skip


def _task_hourly(arm: Arm, terms: Terms) -> tuple[float, str]:
    if arm.compute in LIGHTSAIL:
        name = str(arm.settings.get("bundle"))
        usd = float(terms.book.price(f"lightsail_{LIGHTSAIL[arm.compute]}_{name}_month")) / MONTH_H
        return usd, f"Lightsail {name}"
    if arm.compute == "EC2":
        return _hourly(instance_parts(arm), terms) / per_instance(arm), f"{per_instance(arm)} in an instance"
    return _hourly(fargate_parts(arm), terms), f"{arm.size} on Fargate, with an address"


def _balancer_hourly(arm: Arm, terms: Terms) -> tuple[float, str]:
    if arm.compute in LIGHTSAIL:
        return 0.0, "load balancer"
    address = float(terms.book.price("public_ipv4_hour")) * service.BALANCER_ADDRESSES
    return float(terms.book.price("load_balancer_hour")) + address, "load balancer with two addresses"


def _hourly(parts: Parts, terms: Terms) -> float:
    return float(sum(per_hour * float(terms.book.price(key)) for _, key, per_hour in parts))


PRICING: dict[str, Callable[[Arm, Any, CostModel], list[Priced]]] = {
    "function": _function,
    "batch": _batch,
    "service": _service,
}
