"""The forest plot: every ratio with its interval beside a line at 1, in a group for each phase and arm."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis.records import records
from harness.comparing.comparison import Comparison
from harness.comparing.figures import BY_NAME
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
WIDTH, ROW_PX = 520, 18
SEPARATOR = "|"
# Factors off 1 that have a label, for axes that reach so far.
STEPS: list[tuple[float, list[float]]] = [
    (1.5, [1.05, 1.1, 1.2, 1.3, 1.5]),
    (3.5, [1.1, 1.25, 1.5, 2, 3]),
    (12.0, [1.5, 2, 3, 5, 10]),
    (math.inf, [2, 5, 10, 20, 50, 100]),
]
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
    """One view with an axis at both ends, since panels of different heights beside each other are more than Vega-Lite
    sizes without a warning: each group of rows has its heading as a row that holds no mark.
    """
    found = table.dropna(subset=["ratio_low", "ratio_high"])
    if found.empty:
        return None
    reach = _reach(found)
    rows = _drawn(found, reach)
    scale = alt.Scale(type="log", domain=[1 / reach, reach], nice=False)
    y = alt.Y("row:N", title=None, sort=None, scale=alt.Scale(domain=_lines(rows)), axis=_headed())
    base = alt.Chart(rows).encode(
        y,
        alt.Color(
            "verdict:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
        ),
        tooltip=["group", "figure", alt.Tooltip("told:N", title="ratio (95 %)"), "found", "base", "other"],
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        _across("ratio_low", scale, reach, "bottom"), alt.X2("ratio_high:Q")
    )
    marks = base.mark_point(size=80, filled=True, opacity=1).encode(
        _across("ratio", scale, reach, "top"),
        alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=list(COLOURS), range=SHAPES)),
    )
    equal = (
        alt.Chart(rows)
        .mark_rule(color="#888888", strokeDash=[4, 3])
        .encode(x=alt.datum(1, scale=scale, axis=None))
    )
    drawn = (equal + bars + marks).resolve_axis(x="independent")
    return drawn.properties(width=WIDTH, height=alt.Step(ROW_PX))


def _drawn(rows: pd.DataFrame, reach: float) -> pd.DataFrame:
    """The rows as they are drawn, their texts for tooltips with them; `row` names the line of each."""
    group = rows["phase"] + " · " + rows["arm"]
    title = pd.Series([BY_NAME[metric].title for metric in rows["metric"]], index=rows.index)
    return pd.DataFrame({
        "row": group + SEPARATOR + title, "group": group, "figure": title, "verdict": rows["verdict"],
        "told": [ratio_text(row) for row in records(rows)],
        "found": [verdict_text(row) for row in records(rows)],
        "base": [figure(row.metric, row.base_value) for row in records(rows)],
        "other": [figure(row.metric, row.value) for row in records(rows)],
        **{name: np.clip(rows[name], 1 / reach, reach) for name in ("ratio", "ratio_low", "ratio_high")},
    })  # fmt: skip


def _lines(rows: pd.DataFrame) -> list[str]:
    """Each group's heading, and below it its figures."""
    lines: dict[str, list[str]] = {}
    for group, line in zip(rows["group"], rows["row"], strict=True):
        lines.setdefault(group, [f"{group}{SEPARATOR}"]).append(line)
    return list(chain.from_iterable(lines.values()))


def _headed() -> alt.Axis:
    """Of a line the figure, or, where it has none, the group in bold."""
    figure_of = f"split(datum.value, '{SEPARATOR}')[1]"
    return alt.Axis(
        labelExpr=f"{figure_of} || split(datum.value, '{SEPARATOR}')[0]",
        labelFontWeight=alt.ExprRef(f"{figure_of} ? 'normal' : 'bold'"), labelLimit=220, ticks=False, domain=False,
    )  # fmt: skip


def _across(name: str, scale: alt.Scale, reach: float, orient: Literal["top", "bottom"]) -> alt.X:
    """An axis with labels on both sides of 1, with lines of a grid from the lower one."""
    axis = alt.Axis(
        values=ticks(reach), labelExpr="format(datum.value, '.2~f')", labelOverlap="parity", orient=orient,
        grid=orient == "bottom",
    )  # fmt: skip
    return alt.X(f"{name}:Q", title="ratio, other / base (log)", scale=scale, axis=axis)


def ticks(reach: float) -> list[float]:
    """1 and steps off it within a factor of `reach`, the same ones up and down.

    There is an even number of each, so that 1 and both ends stay where a narrow plot has room for every second label.
    """
    ups = [each for each in next(steps for most, steps in STEPS if reach <= most) if each <= reach]
    ups = ups[len(ups) % 2 :]
    return [*(1 / each for each in reversed(ups)), 1.0, *ups]


def _reach(rows: pd.DataFrame) -> float:
    """The factor off 1 that the axis shows. Failures, whose ratios know no bounds, do not widen it."""
    bounds = rows.loc[rows["metric"] != "error_rate", ["ratio_low", "ratio_high"]].to_numpy()
    bounds = bounds[np.isfinite(bounds) & (bounds > 0)]
    widest = float(np.exp(np.abs(np.log(bounds)).max())) if bounds.size else NARROWEST
    return 1.05 * float(np.clip(widest, NARROWEST, WIDEST))
