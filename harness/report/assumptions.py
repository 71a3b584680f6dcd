"""What the answer rests on, and what it would be otherwise: every combination of switches, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.model import CostModel
from harness.cost.month import load_of
from harness.report.contents import Contents
from harness.report.table import Table

SPEEDS = {2.0: "half as fast as here", 1.0: "as fast as taken here", 0.5: "twice as fast"}
LOADS = (10_000.0, 1e6, 1e8)
USD = ["speed", "free", "items", "arm", "usd", "own_usd"]


@dataclass(frozen=True, slots=True)
class Switch:
    """`choices` are key and text of each, `chosen` is the key of what the report assumes."""

    name: str
    question: str
    choices: list[tuple[str, str]]
    chosen: str


@dataclass(frozen=True, slots=True)
class Case:
    """What holds where the switches stand so: `keys` is theirs, separated by spaces."""

    keys: str
    verdict: str
    table: Table


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Switches that work together, and a case for each way in which they can stand; the first case is the report's."""

    title: str
    switches: list[Switch]
    cases: list[Case]


def assumptions(contents: Contents) -> list[Assumptions]:
    """Those of cost, and those of assumed launch delays, where the run has them."""
    return [each for each in (_cost(contents), _launches(contents)) if each.cases]


def costs(model: CostModel, loads: list[float]) -> pd.DataFrame:
    """US dollars a month of every option (USD) at each load, for AWS at each of SPEEDS, with and without the free tier.

    `own_usd` is without what all placements have in common.
    """
    frames = []
    for free, (speed, _) in product((False, True), SPEEDS.items()):
        terms = model.on(free_tier=free)
        for option in model.options:
            other = model.slower(option, speed)
            own = [each for each in terms.demands(other) if not each.common]
            own_usd = sum((each.over_items(terms.terms)(loads) for each in own), np.zeros(len(loads)))
            usd = terms.curve(other)(loads)
            figures = {"items": loads, "usd": usd, "own_usd": own_usd}
            frames.append(pd.DataFrame({"speed": speed, "free": free, "arm": option.name} | figures))
    return pd.concat(frames, ignore_index=True)[USD] if frames else pd.DataFrame(columns=USD)


def _cost(contents: Contents) -> Assumptions:
    model = contents.model
    own_items, why = load_of(contents.run)
    loads = sorted({own_items, *LOADS})
    named = {items: f"{items:,.0f}" + (" (this run's rate)" if items == own_items else "") for items in loads}
    speed_factor = model.terms.speed_factor
    speeds = [
        (f"{speed:g}", f"{text} (speed factor {speed_factor * speed:g})") for speed, text in SPEEDS.items()
    ]
    switches = [
        Switch("load", "Items a month", [(f"{items:.0f}", text) for items, text in named.items()], f"{own_items:.0f}"),
        Switch("speed", "AWS is", speeds, "1"),
        Switch("free", "Free tier", [("0", "used up"), ("1", "unused")], "0"),
    ]  # fmt: skip
    out = contents.ruled_out
    cases = [
        _cost_case(f"{items:.0f} {speed:g} {free:d}", own, out)
        for (items, speed, free), own in costs(model, loads).groupby(["items", "speed", "free"])
    ]
    cases.sort(key=lambda case: case.keys != f"{own_items:.0f} 1 0")
    return Assumptions(f"What a month costs (priced; {why})", switches, cases)


def _cost_case(keys: str, own: pd.DataFrame, out: dict[str, str]) -> Case:
    ordered = own.sort_values("usd", kind="stable")
    open_to = ordered[~ordered["arm"].isin(out)]
    least = float(open_to["usd"].iloc[0]) if len(open_to) else np.nan
    rows = [
        [
            row.arm, out.get(row.arm, ""), units.money(row.usd), units.money(row.own_usd),
            units.money(row.own_usd / row.items * 1e6),
            "cheapest" if row.usd == least and row.arm not in out else _more(row.usd, least),
        ]
        for row in records(ordered)
    ]  # fmt: skip
    headings = [
        "placement", "ruled out", "a month", "of it the placement itself", "itself, per million items",
        "against the cheapest",
    ]  # fmt: skip
    if not any(row[1] for row in rows):
        headings, rows = [headings[0], *headings[2:]], [[row[0], *row[2:]] for row in rows]
    return Case(keys, _verdict(open_to), Table("A month on these assumptions", headings, rows, "", 4))


def _verdict(ordered: pd.DataFrame) -> str:
    if ordered.empty:
        return "Every placement is ruled out."
    first = ordered.iloc[0]
    text = f"{first['arm']} is the cheapest, at {units.money(first['usd'])} a month"
    if len(ordered) < 2:
        return f"{text}."
    second = ordered.iloc[1]
    return f"{text}; {second['arm']} costs {_more(second['usd'], first['usd'])}."


def _more(usd: float, least: float) -> str:
    """Small differences in percent, large ones as a multiple."""
    if not np.isfinite(least) or least <= 0:
        return "-"
    factor = usd / least
    if factor >= 2:
        return f"{units.digits(factor)} times as much"
    return f"{units.percent(abs(factor - 1))} {'more' if factor >= 1 else 'less'}"


def _launches(contents: Contents) -> Assumptions:
    """Latency with and without what is assumed of launches; no case where nothing was."""
    switch = Switch(
        "launch", "Assumed launch delays of instances", [("in", "counted"), ("out", "left out")], "in"
    )
    cases = [_launch_case(contents, key, column) for key, column in _columns(contents)]
    return Assumptions("How long items wait (measured, with modelled launches)", [switch], cases)


def _columns(contents: Contents) -> Iterator[tuple[str, str]]:
    if len(contents.assumed):
        yield from (("in", "latency_p50_s"), ("out", "without_p50_s"))


def _launch_case(contents: Contents, key: str, column: str) -> Case:
    changed = contents.assumed.set_index(["phase", "arm"])[column]
    summary = contents.summary[["phase", "arm", "latency_p50_s"]].copy()
    summary["p50_s"] = [changed.get((row.phase, row.arm), row.latency_p50_s) for row in records(summary)]
    ordered = summary.dropna(subset=["p50_s"]).sort_values(["phase", "p50_s"], kind="stable")
    rows = [[row.phase, row.arm, units.duration(row.p50_s)] for row in records(ordered)]
    first = ordered.drop_duplicates("phase")
    told = "; ".join(
        f"in {row.phase} {row.arm} is first, with {units.duration(row.p50_s)}" for row in records(first)
    )
    verdict = f"By the median, {told}." if told else "No item was finished."
    return Case(
        key, verdict, Table("Median latency on this assumption", ["phase", "arm", "latency p50"], rows, "", 1)
    )
