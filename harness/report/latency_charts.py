"""The charts of latency: how many items were done within a time, percentiles, and where the time went."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis import units
from harness.analysis.cells import valid_items
from harness.analysis.records import records
from harness.analysis.summary import PARTS, QUANTILES
from harness.report.chart_parts import (
    EDGE,
    WIDTH,
    Drawn,
    arms,
    colour,
    dash,
    listed,
    originals,
    phases,
    seconds,
)
from harness.report.contents import Contents

# For parts, so that none of them looks like an arm.
PART_COLOURS = [
    "#bab0ac", "#5d4e8c", "#9ecae9", "#4c78a8", "#b279a2", "#ffbf79", "#54a24b", "#eeca3b", "#d67195", "#79706e",
]  # fmt: skip
ECDF_POINTS = 200


def latency(contents: Contents) -> Drawn | None:
    """Share of items done within a time, one line an arm, one panel a phase."""
    frames = []
    items = valid_items(contents.run)
    good = items.loc[items["ok"].to_numpy(), ["arm", "phase", "latency_s"]]
    for (arm, phase), part in good.groupby(["arm", "phase"], sort=False, observed=True):
        shares = np.linspace(0, 1, min(ECDF_POINTS, len(part)) + 1)[1:]
        quantiles = np.quantile(part["latency_s"], shares, method="inverted_cdf")
        frames.append(pd.DataFrame({"arm": arm, "phase": phase, "latency_s": quantiles, "share": shares}))
    if not frames:
        return None
    rows = pd.concat(frames, ignore_index=True)
    picked = alt.selection_point(fields=["arm"], bind="legend")
    chart = (
        alt.Chart(rows)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            seconds("latency_s", "time from when an item was due (log)"),
            alt.Y("share:Q", title="share of items done", axis=alt.Axis(format="%")),
            colour(contents),
            dash(contents),
            opacity=alt.condition(picked, alt.value(1), alt.value(0.12)),
            tooltip=["arm", alt.Tooltip("latency_s:Q", format=".4f"), alt.Tooltip("share:Q", format=".1%")],
        )
        .add_params(picked)
        .properties(width=WIDTH, height=200)
        .facet(row=phases(contents))
    )
    return Drawn(chart, rows, _halves(contents, "latency_p50_s", "half of the items were done within"))


def percentiles(contents: Contents) -> Drawn | None:
    """p50 to p99 with their intervals; those for which there are too few items are left out."""
    rows = pd.DataFrame(
        [
            (row.arm, row.phase, name, *(getattr(row, f"latency_{name}_s{end}") for end in ("", "_low", "_high")))
            for row in records(contents.summary)
            for name in QUANTILES
        ],
        columns=["arm", "phase", "percentile", "seconds", "low", "high"],
    ).dropna(subset=["seconds"])  # fmt: skip
    if rows.empty:
        return None
    rows["label"] = rows["percentile"] + " " + rows["seconds"].map(units.duration)
    tips = [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("seconds", "low", "high")]
    base = alt.Chart(rows).encode(
        alt.Y("arm:N", title=None, sort=arms(contents)),
        alt.YOffset("percentile:N", sort=list(QUANTILES)),
        colour(contents, legend=False),
        tooltip=["arm", "percentile", *tips],
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.45).encode(alt.X("low:Q"), alt.X2("high:Q"))
    points = base.mark_circle(size=60, opacity=1).encode(
        seconds("seconds", "time from when an item was due (log)")
    )
    text = base.mark_text(align="left", dx=8, fontSize=10.5).encode(alt.X("high:Q"), text="label:N",
                                                                    color=alt.value("currentColor"))  # fmt: skip
    height = 17 * rows["percentile"].nunique() * rows["arm"].nunique()
    chart = (bars + points + text).properties(width=WIDTH, height=height).facet(row=phases(contents))
    shows = _halves(contents, "latency_p95_s", "95 of 100 items were done within")
    return Drawn(chart, rows.drop(columns="label"), shows)


def parts(contents: Contents) -> Drawn | None:
    """Mean seconds of each part, stacked; cold and warm items apart."""
    table = contents.cold_and_warm
    if table.empty:
        return None
    table = table.assign(start=np.where(table["cold"], "cold", "warm"))
    table["row"] = table["arm"] + ", " + table["start"]
    rows = table.melt(
        ["arm", "start", "row", "phase", "items"], [f"{part}_mean_s" for part in PARTS], "part", "seconds"
    )
    rows["part"] = rows["part"].str.removesuffix("_mean_s")
    rows["order"] = rows["part"].map(PARTS.index)
    rows["seconds"] = rows["seconds"].clip(lower=0)
    used = [part for part in PARTS if (rows.loc[rows["part"] == part, "seconds"] > 0).any()]
    colours = [PART_COLOURS[PARTS.index(part)] for part in used]
    shown = rows[rows["part"].isin(used)]
    chart = (
        alt.Chart(shown)
        .mark_bar(**EDGE)
        .encode(
            alt.X("seconds:Q", title="mean seconds of an item"),
            alt.Y("row:N", title=None, sort=None),
            alt.Color("part:N", title=None, sort=used, scale=alt.Scale(domain=used, range=colours)),
            alt.Order("order:Q"),
            tooltip=["row", "part", alt.Tooltip("seconds:Q", format=".4f"), "items"],
        )
        .properties(width=WIDTH, height=alt.Step(22))
        .facet(row=phases(contents))
        .resolve_scale(y="independent")
    )
    totals = rows.groupby(["phase", "row"], sort=False)["seconds"].sum()
    largest = rows.loc[rows.groupby(["phase", "row"], sort=False)["seconds"].idxmax()]
    told = [
        f"{each.row} in {each.phase}: {units.percent(each.seconds / totals[each.phase, each.row])} {each.part}"
        for each in records(largest)
        if each.seconds > 0 and each.arm in originals(contents)
    ]
    return Drawn(
        chart, rows.drop(columns=["row", "order"]), f"The largest part of an item's time: {'; '.join(told)}."
    )


def _halves(contents: Contents, column: str, what: str) -> str:
    """What each arm's figure is, phase by phase, the quickest first."""
    told = []
    for phase, own in contents.summary.dropna(subset=[column]).groupby("phase", sort=False):
        ordered = own.sort_values(column)
        each = [f"{units.duration(row[column])} by {row['arm']}" for _, row in ordered.iterrows()]
        told.append(f"In {phase}, {what} {listed(each)}.")
    return " ".join(told) or "There are too few items for this."
