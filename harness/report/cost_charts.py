"""The charts of cost: per million items, and of a month over its load."""

from __future__ import annotations

from typing import Any

import altair as alt

from harness.cost.breakeven import plot_data
from harness.report.chart_parts import WIDTH, colour, phases
from harness.report.contents import Contents

POWERS = [10.0**power for power in range(11)]


def cost(contents: Contents) -> Any:
    """Dollars per million items, as run and at full use."""
    table = contents.cost.dropna(subset=["usd_per_million"])
    if table.empty:
        return None
    table = table[["arm", "phase", "basis", "label", "usd_per_million", "formula"]]
    return (
        alt.Chart(table.assign(row=table["arm"] + ", " + table["basis"]))
        .mark_point(size=110, filled=True)
        .encode(
            alt.X(
                "usd_per_million:Q", title="US dollars per million items (log)", scale=alt.Scale(type="log")
            ),
            alt.Y("row:N", title=None, sort=None),
            colour(contents, legend=None),
            alt.Shape(
                "label:N",
                title=None,
                legend=alt.Legend(symbolFillColor="#888888", symbolStrokeColor="#888888"),
            ),
            tooltip=[
                "arm",
                "phase",
                "basis",
                "label",
                alt.Tooltip("usd_per_million:Q", format="$.2f"),
                "formula",
            ],
        )
        .properties(width=WIDTH, height=alt.Step(24))
        .facet(row=phases(contents))
    )


def load(contents: Contents) -> Any:
    """Dollars a month over items a month, with a point where the cheaper of two placements changes."""
    table = plot_data(contents.model)
    if table.empty:
        return None
    log = alt.Scale(type="log")
    powers = alt.Axis(values=POWERS, labelExpr="replace(format(datum.value, '~s'), 'G', ' billion')")
    dollars = alt.Axis(format="$,~r", tickCount=6)
    axes = {
        "x": alt.X("items:Q", title="items a month (log)", scale=log, axis=powers),
        "y": alt.Y("usd:Q", title="US dollars a month (log)", scale=log, axis=dollars),
    }
    told = ["arm", alt.Tooltip("items:Q", format=",.0f"), alt.Tooltip("usd:Q", format="$,.2f")]
    coloured = colour(contents, legend=alt.Legend(symbolOpacity=1))
    lines = alt.Chart(table).mark_line(strokeWidth=2).encode(**axes, color=coloured, tooltip=told)
    band = alt.Chart(table).mark_area(opacity=0.2).encode(
        axes["x"], alt.Y("low:Q"), alt.Y2("high:Q"), coloured
    )  # fmt: skip
    found = contents.break_even
    found = found[
        (found["axis"] == "items a month") & found["at"].between(table["items"].min(), table["items"].max())
    ]
    points = found.assign(
        items=found["at"],
        pair=found["first"] + " and " + found["second"],
        change=found["below"] + " to " + found["above"],
    )[["items", "usd", "pair", "change"]]
    crossing = alt.Chart(points).mark_point(size=140, color="#888888", strokeWidth=2).encode(
        **axes, tooltip=["pair", "change", alt.Tooltip("items:Q", format=",.0f"), alt.Tooltip("usd:Q", format="$,.2f")]
    )  # fmt: skip
    return (band + lines + crossing).properties(width=WIDTH, height=300)
