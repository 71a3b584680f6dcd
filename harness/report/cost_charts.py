"""The charts of cost: per million items, and of a month over its load."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.breakeven import FEWEST, MOST, load_crossings, plot_data
from harness.cost.model import CostModel
from harness.report.assumptions import SPEEDS, costs
from harness.report.chart_parts import QUIET, WIDTH, Drawn, colour, listed, phases
from harness.report.contents import Contents

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
    dollars = alt.Axis(format="$,~r", tickCount=6)
    powers = alt.Axis(values=POWERS, labelExpr="replace(format(datum.value, '~s'), 'G', ' billion')")
    axes = {
        "x": alt.X("items:Q", title="items a month (log)", scale=alt.Scale(type="log"), axis=powers),
        "y": alt.Y("usd:Q", title="US dollars a month (log)", scale=alt.Scale(type="log"), axis=dollars),
    }
    usd = [alt.Tooltip("items:Q", format=",.0f"), alt.Tooltip("usd:Q", format="$,.2f")]
    shown = colour(contents, list(rows["arm"].unique()), opaque=True)
    points = _points(contents, rows)
    base, rings = alt.Chart(rows), alt.Chart(points)
    switched = rows["speed"].nunique() > 1
    if switched:
        base, rings = (each.transform_filter(WANTED) for each in (base, rings))
    chart = alt.layer(
        base.mark_area(opacity=0.2).encode(axes["x"], alt.Y("low:Q"), alt.Y2("high:Q"), shown),
        base.mark_line(strokeWidth=2).encode(**axes, color=shown, tooltip=["arm", *usd]),
    )  # fmt: skip
    if len(points):
        ring = rings.mark_point(size=140, color=QUIET, strokeWidth=2)
        chart += ring.encode(**axes, tooltip=["pair:N", "change:N", *usd])
    if switched:
        chart = chart.add_params(alt.param(name="speed", value=1), alt.param(name="free", value=0))
    told = [f"{row.pair} at {row.items:,.0f} items ({row.change})" for row in records(points[points["now"]])]
    shows = (
        f"The cheaper placement changes for {listed(told)}." if told else "No two placements change places."
    )
    return Drawn(chart.properties(width=WIDTH, height=300), rows, shows)


def _curves(contents: Contents) -> pd.DataFrame:
    """speed, free, arm, items, usd, low, high: with bounds as the report assumes it, without as switches have it."""
    model = contents.model
    rows = plot_data(model).assign(speed=1.0, free=0)
    if rows.empty or contents.picture is not None:
        return rows
    other = costs(model, list(np.geomspace(FEWEST, MOST, POINTS))).astype({"free": int})
    other = other[(other["speed"] != 1.0) | (other["free"] != 0)]
    rows = pd.concat([rows, other.drop(columns="own_usd")], ignore_index=True)
    figures = ["items", "usd", "low", "high"]
    return rows.assign(**{name: rows[name].map(lambda value: float(f"{value:.6g}")) for name in figures})


def _points(contents: Contents, rows: pd.DataFrame) -> pd.DataFrame:
    """items, usd, pair, change, speed, free, now: first crossings, `now` as the report assumes it."""
    found: list[dict[str, Any]] = []
    for free in sorted(rows["free"].unique()):
        model = contents.model.on(free_tier=bool(free))
        for speed in SPEEDS if rows["speed"].nunique() > 1 else (1.0,):
            found += [point | {"speed": speed, "free": int(free)} for point in _crossings(model, speed)]
    columns = ["items", "usd", "pair", "change", "speed", "free"]
    table = pd.DataFrame(found, columns=columns)
    return table.assign(now=(table["speed"] == 1) & (table["free"] == 0))


def _crossings(model: CostModel, speed: float) -> list[dict[str, Any]]:
    options = [model.slower(option, speed) for option in model.options]
    found = []
    for index, first in enumerate(options):
        for second in options[index + 1 :]:
            crossed = load_crossings(model, first, second)
            if crossed:
                names = (second.name, first.name)
                before, after = (
                    names[not crossed[0].first_is_lower_after],
                    names[crossed[-1].first_is_lower_after],
                )
                change = (
                    f"{before} below, {after} above"
                    if before != after
                    else f"{before} below, and again far above"
                )
                pair = f"{first.name} and {second.name}"
                found.append({"items": crossed[0].at, "usd": crossed[0].usd, "pair": pair, "change": change})
    return found
