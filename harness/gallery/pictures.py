"""The pictures of the gallery: a chart of a run, drawn as SVG for a light and for a dark page.

They are plainer than those of a report, and have no intervals: they show one run. They are as narrow as a telephone,
since a browser scales a picture down together with its letters: beside a page of text they need not be wider.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert as vlc

from harness.analysis import cells
from harness.cost.measured import task_lives
from harness.gallery.figures import own_curves, steps
from harness.report.chart_parts import FURTHER, colour
from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run

WIDTH = 320
POINTS = 80
LOADS = (1e3, 1e9)
# Colours here are at least 3:1 against the paper of both themes, as those of arms are.
OUTCOMES = {
    Outcome.OK: "#009E73", Outcome.ERROR: "#D55E00", Outcome.TIMEOUT: "#B57600", Outcome.OUT_OF_MEMORY: "#CC79A7",
    Outcome.LOST: "#3D8FC4", Outcome.THROTTLED: "#8F8700", Outcome.DROPPED: "#8A8A8A",
}  # fmt: skip
LETTERS = {"labelFontSize": 13, "titleFontSize": 13}
COMMON = {
    "font": "sans-serif",
    "legend": {**LETTERS, "orient": "top", "titleOrient": "left"},
    "header": LETTERS,
}
# What an item's time is spent on, by the columns of an attempt, with colours that are no arm's.
STAGES = {
    "waiting": (["queue_s"], "#918781"),
    "making a container": (["pull_s", "create_s", "start_s"], "#4c78a8"),
    "starting code": (["init_s"], "#c8781f"),
    "work": (["fetch_s", "work_s", "store_s"], "#54a24b"),
    "answer": (["answer_s", "other_s"], "#B07AA1"),
}
THEMES: dict[str, dict[str, Any]] = {
    "light": {"background": "#ffffff", "axis": LETTERS},
    "dark": {
        "background": "#0d1117",
        "style": {"guide-label": {"fill": "#e6edf3"}, "guide-title": {"fill": "#e6edf3"}},
        "view": {"stroke": "#30363d"},
        "axis": {**LETTERS, "gridColor": "#30363d", "domainColor": "#8b949e", "tickColor": "#8b949e"},
    },
}  # fmt: skip


def svg(chart: Any, theme: str) -> str:
    """One of THEMES, with letters that any viewer has."""
    drawn: str = vlc.vegalite_to_svg(chart.to_dict(), config=COMMON | THEMES[theme])
    return drawn


def outcomes(run: Run, items_per_month: float | None) -> Any:
    """How every attempt ended, an arm a bar; retries are attempts, too."""
    rows = run.attempts[run.attempts["block"] > NO_BLOCK]
    counts = rows[["arm", "outcome"]].astype(str).groupby(["arm", "outcome"]).size()
    table = counts.rename("attempts").reset_index()
    found = [each for each in OUTCOMES if each in set(table["outcome"])]
    scale = alt.Scale(domain=[each.value for each in found], range=[OUTCOMES[each] for each in found])
    base = alt.Chart(table).encode(
        alt.Y("arm:N", title=None, sort=list(cells.arms(run))),
        alt.X("attempts:Q", title="attempts, retries included", stack="zero", axis=alt.Axis(tickMinStep=1)),
        order=alt.Order("outcome:N"),
    )
    bars = base.mark_bar().encode(color=alt.Color("outcome:N", title="ended as", scale=scale))
    return bars.properties(width=WIDTH, height=alt.Step(34))


def progress(run: Run, items_per_month: float | None) -> Any:
    """Containers that ran at each moment, and below them the items that were done, from the first item due."""
    last_s, containers, done = 0.0, [], []
    items = cells.valid_items(run).astype({"arm": str})
    items = items[items["block"] == items["block"].min()]
    for arm, own in items.groupby("arm", sort=False):
        start_ns = own["due_ns"].min()
        ends_s = np.sort((own.loc[own["ok"], "done_ns"] - start_ns).to_numpy(dtype="float64") / 1e9)
        last_s = max(last_s, float(ends_s[-1]) if len(ends_s) else 0.0)
        picked = np.unique(np.linspace(1, len(ends_s), min(POINTS, len(ends_s)), dtype=int))
        done.append(pd.DataFrame({"arm": arm, "at_s": [0.0, *ends_s[picked - 1]], "items": [0, *picked]}))
        lived = task_lives(run)
        lived = lived[(lived["arm"] == arm) & (lived["block"] == own["block"].iloc[0])]
        containers.append(_running(str(arm), lived, int(start_ns)))
    if not done:
        return None
    scale = alt.Scale(domain=[0, last_s])
    running = pd.concat(containers)
    running["at_s"] = running["at_s"].clip(0, last_s)
    upper = alt.Chart(running).mark_line(interpolate="step-after", strokeWidth=2).encode(
        alt.X("at_s:Q", title=None, scale=scale), alt.Y("running:Q", title="containers", axis=alt.Axis(tickMinStep=1)),
        colour(run, title=None),
    )  # fmt: skip
    lower = alt.Chart(pd.concat(done)).mark_line(interpolate="step-after", strokeWidth=2).encode(
        alt.X("at_s:Q", title="seconds from the first item due", scale=scale),
        alt.Y("items:Q", title="items done"), colour(run, title=None),
    )  # fmt: skip
    return alt.vconcat(
        upper.properties(width=WIDTH, height=110), lower.properties(width=WIDTH, height=150)
    ).resolve_scale(x="shared")


def stages(run: Run, items_per_month: float | None) -> Any:
    """What the time of an item was spent on, at the mean: an arm a bar."""
    items = cells.valid_items(run).astype({"arm": str})
    items = items[items["ok"]]
    if items.empty:
        return None
    means = pd.concat(
        [
            items[columns].sum(axis=1).clip(lower=0).groupby(items["arm"]).mean().rename("seconds").reset_index()
            .assign(stage=stage, order=number)
            for number, (stage, (columns, _)) in enumerate(STAGES.items())
        ]
    )  # fmt: skip
    scale = alt.Scale(domain=list(STAGES), range=[colour for _, colour in STAGES.values()])
    legend = alt.Legend(columns=3)
    return (
        alt.Chart(means.reset_index(drop=True))
        .mark_bar()
        .encode(
            alt.X("seconds:Q", title="seconds of an item, at the mean"),
            alt.Y("arm:N", title=None, sort=list(cells.arms(run))),
            alt.Color("stage:N", title=None, sort=list(STAGES), scale=scale, legend=legend),
            alt.Order("order:Q"),
        )
        .properties(width=WIDTH, height=alt.Step(34))
    )


def month(run: Run, items_per_month: float | None) -> Any:
    """What a month costs at the page's load."""
    assert items_per_month is not None, "a page with this picture has a load"
    curves = own_curves(run)
    usd = [float(curve(items_per_month)) for curve in curves.values()]
    table = pd.DataFrame({"arm": list(curves), "usd": usd})
    if table.empty:
        return None
    # For the text behind the longest bar.
    room = alt.Scale(domain=[0, 1.2 * max(usd)], nice=False)
    base = alt.Chart(table).encode(
        alt.Y("arm:N", title=None, sort=list(cells.arms(run))),
        alt.X("usd:Q", title=f"US dollars a month for {items_per_month:,.0f} items", scale=room),
    )
    labels = base.mark_text(align="left", dx=4, color="#808080", fontSize=LETTERS["labelFontSize"]).encode(
        alt.Text("usd:Q", format="$,.2f")
    )
    return (base.mark_bar().encode(colour(run, legend=False)) + labels).properties(
        width=WIDTH, height=alt.Step(34)
    )


def months(run: Run, items_per_month: float | None) -> Any:
    """What a month costs over its load; a dashed line marks the page's own."""
    loads = np.geomspace(*LOADS, POINTS)
    curves = own_curves(run)
    if not curves:
        return None
    tables = [
        pd.DataFrame({"arm": arm, "items": loads, "usd": curve(loads)}) for arm, curve in curves.items()
    ]
    powers = alt.Axis(
        values=[10.0**power for power in range(3, 10)],
        labelExpr="replace(format(datum.value, '~s'), 'G', ' billion')",
        labelOverlap=False,
        labelFlush=False,
    )
    lines = alt.Chart(pd.concat(tables)).mark_line(strokeWidth=2).encode(
        alt.X("items:Q", title="items a month (log)", scale=alt.Scale(type="log"), axis=powers),
        alt.Y("usd:Q", title="US dollars a month (log)", scale=alt.Scale(type="log"),
              axis=alt.Axis(format="$,~r", tickCount=6)),
        colour(run, title=None),
    ).properties(width=WIDTH, height=240)  # fmt: skip
    here = pd.DataFrame({"items": [] if items_per_month is None else [items_per_month]})
    return lines + alt.Chart(here).mark_rule(strokeDash=[4, 4], color="#808080").encode(alt.X("items:Q"))


def chain(run: Run, items_per_month: float | None) -> Any:
    """Every job as a bar from its start to its end, coloured by step."""
    table = steps(run)
    if table.empty:
        return None
    origin_ns = table["started_ns"].min()
    table = table.sort_values("started_ns").assign(
        job=np.arange(1, len(table) + 1),
        start_s=(table["started_ns"] - origin_ns) / 1e9,
        end_s=(table["ended_ns"] - origin_ns) / 1e9,
    )
    order = list(dict.fromkeys(table["step"]))
    # Steps are no arms, and have none of their colours.
    colours = list(islice(cycle(FURTHER), len(order)))
    return (
        alt.Chart(table[["job", "step", "start_s", "end_s"]].reset_index(drop=True))
        .mark_bar(cornerRadius=2)
        .encode(
            alt.X("start_s:Q", title="seconds since the first job began"),
            alt.X2("end_s:Q"),
            alt.Y("job:O", title="job"),
            alt.Color("step:N", sort=order, title=None, scale=alt.Scale(domain=order, range=colours)),
        )
        .properties(width=WIDTH, height=alt.Step(18))
    )


def _running(arm: str, lived: pd.DataFrame, start_ns: int) -> pd.DataFrame:
    """How many of these containers ran, from each moment at which that changed; times before the start are 0."""
    moments = np.concatenate([lived["started_ns"], lived["ended_ns"]]).astype("int64")
    change = np.repeat([1, -1], len(lived))
    order = np.lexsort((change, moments))
    at_s = np.maximum(0.0, (moments[order] - start_ns) / 1e9)
    table = pd.DataFrame({"at_s": at_s, "running": np.cumsum(change[order])})
    table = pd.concat([pd.DataFrame({"at_s": [0.0], "running": [0]}), table])
    return table.drop_duplicates("at_s", keep="last").assign(arm=arm)


PICTURES: dict[str, Callable[[Run, float | None], Any]] = {
    "outcomes": outcomes,
    "progress": progress,
    "stages": stages,
    "month": month,
    "months": months,
    "chain": chain,
}


def draw(run: Run, picture: str, items_per_month: float | None) -> dict[str, str] | None:
    """The picture in each theme; None where the run has no rows for it."""
    chart = PICTURES[picture](run, items_per_month)
    return None if chart is None else {theme: svg(chart, theme) for theme in THEMES}
