"""The forest plot: every ratio with its interval beside a line at 1, in a panel for each phase and arm."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis.records import records
from harness.comparing.comparison import Comparison
from harness.comparing.figures import BY_NAME, METRICS
from harness.comparing.ratios import IMPROVEMENT, REGRESSION
from harness.comparing.tables import figure, ratio_text, verdict_text
from harness.report.charts import Chart

# Okabe and Ito's vermilion and green, and a grey that shows on dark and light; shapes tell the same.
COLOURS = {
    REGRESSION: "#D55E00",
    IMPROVEMENT: "#009E73",
    "no difference shown": "#888888",
    "too few blocks": "#CC79A7",
}
SHAPES = ["triangle-up", "triangle-down", "circle", "square"]
WIDTH = 520
# An axis shows this factor at the least and at the most; what lies beyond it is drawn to its edge.
NARROWEST, WIDEST = 1.25, 100.0
TEXT = (
    "Each mark is a figure of the other run over that of the base, with its 95 % interval. Left of the line is less, "
    "right of it more; triangles are differences that may be named: upward ones for the worse, downward ones for the "
    "better. What ends at the edge goes on beyond it."
)


def forests(comparison: Comparison) -> list[Chart]:
    """One chart for each run other than the base that has a ratio at all."""
    found = []
    for number, label in enumerate(comparison.labels[1:]):
        rows = comparison.table[comparison.table["run"] == label]
        drawn = _forest(rows)
        if drawn is not None:
            title = f"{label} / {comparison.labels[0]}"
            named = rows["verdict"].isin([REGRESSION, IMPROVEMENT])
            shows = f"{int(named.sum())} of {len(rows)} figures differ by more than the noise floor."
            spec = drawn.to_dict() | {"description": f"{title}. {shows}"}
            found.append(Chart(f"forest-{number}", title, shows, TEXT, "attempts.parquet", rows, spec))
    return found


def _forest(table: pd.DataFrame) -> Any:
    rows = table.dropna(subset=["ratio_low", "ratio_high"])
    if rows.empty:
        return None
    reach = _reach(rows)
    rows = rows.assign(
        panel=rows["phase"] + " · " + rows["arm"],
        figure=[BY_NAME[metric].title for metric in rows["metric"]],
        told=[ratio_text(row) for row in records(rows)],
        found=[verdict_text(row) for row in records(rows)],
        base=[figure(row.metric, row.base_value) for row in records(rows)],
        other=[figure(row.metric, row.value) for row in records(rows)],
        **{name: np.clip(rows[name], 1 / reach, reach) for name in ("ratio", "ratio_low", "ratio_high")},
    )
    scale = alt.Scale(type="log", domain=[1 / reach, reach])
    across = alt.X(
        "ratio_low:Q", title="ratio, other / base (log)", scale=scale, axis=alt.Axis(format="~g", tickCount=9)
    )
    order = [metric.title for metric in METRICS]
    colour = alt.Color(
        "verdict:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    )
    shape = alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=SHAPES))
    columns = [
        "panel",
        "figure",
        "verdict",
        "ratio",
        "ratio_low",
        "ratio_high",
        "told",
        "found",
        "base",
        "other",
    ]
    shown = rows[columns]
    base = alt.Chart(shown).encode(
        alt.Y("figure:N", title=None, sort=order),
        tooltip=["panel", "figure", alt.Tooltip("told:N", title="ratio (95 %)"), "found", "base", "other"],
    )  # fmt: skip
    line = alt.Chart(shown).mark_rule(color="#888888", strokeDash=[4, 3]).encode(x=alt.datum(1, scale=scale))
    bars = base.mark_rule(strokeWidth=2).encode(across, alt.X2("ratio_high:Q"), colour)
    marks = base.mark_point(size=80, filled=True, opacity=1).encode(
        alt.X("ratio:Q", scale=scale), colour, shape
    )
    panels = list(dict.fromkeys(rows["panel"]))
    return (
        (line + bars + marks)
        .properties(width=WIDTH, height=alt.Step(18))
        .facet(row=alt.Row("panel:N", title=None, sort=panels, header=alt.Header(labelFontWeight="bold", labelAngle=0,
                                                                                labelAlign="left")))
        .resolve_scale(y="independent")
    )  # fmt: skip


def _reach(rows: pd.DataFrame) -> float:
    """The factor off 1 that the axis shows. Failures, whose ratios know no bounds, do not widen it."""
    bounds = rows.loc[rows["metric"] != "error_rate", ["ratio_low", "ratio_high"]].to_numpy()
    bounds = bounds[np.isfinite(bounds) & (bounds > 0)]
    widest = float(np.exp(np.abs(np.log(bounds)).max())) if bounds.size else NARROWEST
    return 1.05 * float(np.clip(widest, NARROWEST, WIDEST))
