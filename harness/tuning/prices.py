"""What a million items cost at each size: the one place where tuning asks the cost model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from harness.cost.model import model_of_every_arm
from harness.cost.per_million import cost_per_million
from harness.runs import Run

Basis = Literal["busy", "as run"]


def usd_per_million(
    run: Run, phase: str, basis: Basis, blocks: Collection[int] | None = None
) -> dict[str, float]:
    """US dollars per million items of each arm, A/A duplicates too, in all blocks or in some.

    `busy` is the price of a size that has work all the time, where the model knows one, else that of the run. An arm
    without a price, or without a good item in a valid cell, is missing.
    """
    table = cost_per_million(model_of_every_arm(run), blocks)
    table = table[table["phase"] == phase].dropna(subset=["usd_per_million"])
    found: dict[str, float] = {}
    for wanted in ("as run", basis):
        own = table[table["basis"] == wanted]
        found |= dict(zip(own["arm"], own["usd_per_million"].astype(float), strict=True))
    return found
