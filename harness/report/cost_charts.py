"""The charts of cost: per million items, and of a month over its load, over duration and over memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.breakeven import DURATION, FEWEST, LOAD, MEMORY, MOST, Axis, changes, plot_data
from harness.cost.month import load_of
from harness.report.assumptions import SPEEDS, costs
from harness.report.chart_parts import QUIET, WIDTH, Drawn, colour, listed, phases
from harness.report.contents import Contents

POINT = ["at", "usd", "pair", "change", "below", "above", "number"]
SIZES_MB = [128 * 2**power for power in range(7)] + [10_240]
POWERS = [10.0**power for power in range(11)]
# Of the curves that only show where a switch is turned.
POINTS = 61
WANTED = "datum.speed == speed && datum.free == free"


def cost(contents: Contents) -> Drawn | None:
    """Dollars per million items, as run and at full use."""
    rows = contents.cost.dropna(subset=["usd_per_million"])
    if rows.empty:
        return None
    rows = rows[["arm", "phase", "basis", "label", "usd_per_million", "formula"]]
    symbol = alt.Legend(symbolFillColor=QUIET, symbolStrokeColor=QUIET)
    chart = (
        alt.Chart(rows.assign(row=rows["arm"] + ", " + rows["basis"]))
        .mark_point(size=110, filled=True)
        .encode(
            alt.X("usd_per_million:Q", title="US dollars per million items (log)",
                  axis=alt.Axis(format="$,~r", tickCount=8), scale=alt.Scale(type="log")),
            alt.Y("row:N", title=None, sort=None),
            colour(contents, legend=False),
            alt.Shape("label:N", title=None, legend=symbol),
            tooltip=["arm", "phase", "basis", "label", alt.Tooltip("usd_per_million:Q", format="$.2f"), "formula"],
        )
        .properties(width=WIDTH, height=alt.Step(24))
        .facet(row=phases(contents))
    )  # fmt: skip
    told = []
    for phase, own in rows[rows["basis"] == "as run"].groupby("phase", sort=False):
        ordered = own.sort_values("usd_per_million")
        each = listed(f"{units.money(row.usd_per_million)} by {row.arm}" for row in records(ordered))
        told.append(f"A million items as run in {phase} would cost {each}.")
    return Drawn(chart, rows, " ".join(told))


def load(contents: Contents) -> Drawn | None:
    """Dollars a month over items a month, with a point where the cheaper of two placements changes.

    The page's switches set the parameters `speed` and `free`; a sweep of sizes, with its many arms, has none.
    """
    rows = _curves(contents)
    if rows.empty:
        return None
    powers = alt.Axis(values=POWERS, labelExpr="replace(format(datum.value, '~s'), 'G', ' billion')")
    at = alt.X("at:Q", title="items a month (log)", scale=alt.Scale(type="log"), axis=powers)
    points = _points(contents, rows)
    chart = _lines(contents, rows, points, at, ",.0f")
    return Drawn(
        chart,
        rows.rename(columns={"at": "items"}),
        _told(points[points["now"]], lambda items: f"{units.count(items)} items"),
    )


def duration(contents: Contents) -> Drawn | None:
    """Dollars a month over how long an item takes, at the run's own rate; not of a sweep, with its many arms."""
    at = alt.X("at:Q", title="how long an item takes, times that of the run (log)",
               scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~r", tickCount=8))  # fmt: skip
    return _over(contents, DURATION, at, "{:.3g} times the run's duration".format, ".3~r")


def memory(contents: Contents) -> Drawn | None:
    """Dollars a month over the memory that an item needs, at the run's own rate and with times as measured."""
    at = alt.X("at:Q", title="memory in MB (log)", scale=alt.Scale(type="log", nice=False),
               axis=alt.Axis(values=SIZES_MB, format=",d"))  # fmt: skip
    return _over(contents, MEMORY, at, "{:,.0f} MB".format, ",.0f")


def _over(contents: Contents, axis: Axis, at: alt.X, place: Callable[[float], str], how: str) -> Drawn | None:
    if contents.picture is not None:
        return None
    items, _ = load_of(contents.run)
    table = contents.break_even[contents.break_even["axis"] == axis.name]
    rows = plot_data(contents.model, axis, items, _span(axis, table["at"]))
    if rows.empty:
        return None
    rings = [
        _ring(row.at, row.usd, (row.first, row.second), (row.below, row.above), (row.number, row.crossings))
        for row in records(table)
    ]
    points = pd.DataFrame(rings, columns=POINT)
    shows = f"{_told(points, place)} All at {items:,.0f} items a month."
    return Drawn(_lines(contents, rows, points, at, how), rows, shows)


def _span(axis: Axis, changes: pd.Series) -> tuple[float, float]:
    """All of memory; of duration ten times either way of the run, and three times beyond the outermost change."""
    if axis is not DURATION:
        return axis.low, axis.high
    low, high = min([0.1, *(changes / 3)]), max([10.0, *(changes * 3)])
    return max(low, axis.low), min(high, axis.high)


def _lines(contents: Contents, rows: pd.DataFrame, points: pd.DataFrame, at: alt.X, how: str) -> Any:
    """A line for each placement with its band, and rings; where the rows have `speed` and `free`, switches choose."""
    dollars = alt.Axis(format="$,~r", tickCount=6)
    usd = alt.Y("usd:Q", title="US dollars a month (log)", scale=alt.Scale(type="log"), axis=dollars)
    tips = [alt.Tooltip("at:Q", title=str(at.title), format=how), alt.Tooltip("usd:Q", format="$,.2f")]
    shown = colour(contents, list(rows["arm"].unique()), opaque=True)
    base, rings = alt.Chart(rows), alt.Chart(points)
    switched = "speed" in rows and rows["speed"].nunique() > 1
    if switched:
        base, rings = (each.transform_filter(WANTED) for each in (base, rings))
    chart = alt.layer(
        base.mark_area(opacity=0.2).encode(at, alt.Y("low:Q"), alt.Y2("high:Q"), shown),
        base.mark_line(strokeWidth=2).encode(at, usd, shown, tooltip=["arm", *tips]),
    )
    if len(points):
        ring = rings.mark_point(size=140, color=QUIET, strokeWidth=2)
        chart += ring.encode(at, usd, tooltip=["pair:N", "change:N", *tips])
    if switched:
        chart = chart.add_params(alt.param(name="speed", value=1), alt.param(name="free", value=0))
    return chart.properties(width=WIDTH, height=300)


def _told(points: pd.DataFrame, place: Callable[[float], str]) -> str:
    """Who is the cheaper one of each pair from where to where."""
    told = []
    for pair, own in points.groupby("pair", sort=False):
        first, last = own.iloc[0], own.iloc[-1]
        if last["number"] > len(own):
            below, above = (
                f"{first['below']} up to {place(first['at'])}",
                f"{last['above']} from {place(last['at'])} on",
            )
            told.append(
                f"the cheaper of {pair} is {below} and {above}, each in turn between, {last['number']} changes"
            )
        else:
            parts = [f"{row.below} up to {place(row.at)}" for row in records(own)]
            told.append(f"the cheaper of {pair} is {', '.join(parts)} and {last['above']} beyond")
    return f"T{'; '.join(told)[1:]}." if told else "No two placements change places."


def _ring(
    at: float, usd: float, pair: tuple[str, str], cheaper: tuple[str, str], number: tuple[int, int]
) -> dict[str, Any]:
    """A row of POINT: `cheaper` below and above it, the `number` of so many changes of the pair."""
    change = f"{cheaper[0]} below, {cheaper[1]} above"
    if number[1] > 1:
        change += f", change {number[0]} of {number[1]}"
    return {
        "at": at, "usd": usd, "pair": f"{pair[0]} and {pair[1]}", "change": change, "below": cheaper[0],
        "above": cheaper[1], "number": number[0],
    }  # fmt: skip


def _curves(contents: Contents) -> pd.DataFrame:
    """speed, free, arm, at, usd, low, high: with bounds as the report assumes it, without as switches have it."""
    model = contents.model
    rows = plot_data(model, LOAD, np.nan).assign(speed=1.0, free=0)
    if rows.empty or contents.picture is not None:
        return rows
    other = costs(model, list(np.geomspace(FEWEST, MOST, POINTS))).astype({"free": int})
    other = other[(other["speed"] != 1.0) | (other["free"] != 0)].rename(columns={"items": "at"})
    rows = pd.concat([rows, other.drop(columns="own_usd")], ignore_index=True)
    figures = ["at", "usd", "low", "high"]
    return rows.assign(**{name: rows[name].map(lambda value: float(f"{value:.6g}")) for name in figures})


def _points(contents: Contents, rows: pd.DataFrame) -> pd.DataFrame:
    """POINT, speed, free, now: a ring for each change of every way in which switches can stand, `now` as the report
    assumes it.
    """
    found: list[dict[str, Any]] = []
    for free in sorted(rows["free"].unique()):
        model = contents.model.on(free_tier=bool(free))
        for speed in SPEEDS if rows["speed"].nunique() > 1 else (1.0,):
            options = [model.slower(option, speed) for option in model.options]
            curves = {option.name: model.curve(option) for option in options}
            found += [
                _ring(
                    each.crossing.at, each.crossing.usd, (each.first.name, each.second.name),
                    (each.below, each.above), (each.number, each.of),
                ) | {"speed": speed, "free": int(free)}
                for each in changes(model, options, curves, LOAD)
            ]  # fmt: skip
    table = pd.DataFrame(found, columns=[*POINT, "speed", "free"])
    return table.assign(now=(table["speed"] == 1) & (table["free"] == 0))
