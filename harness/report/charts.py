"""The charts: each a function from a run to an Altair chart, aggregated first so that a report stays small.

A function returns None where the run has no rows for its chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from harness.analysis.cells import block_medians, valid_items
from harness.analysis.containers import lives
from harness.analysis.summary import PARTS
from harness.report.chart_parts import WIDTH, arms, colour, phases
from harness.report.contents import Contents
from harness.report.cost_charts import cost, load
from harness.report.tune_chart import tune

# For parts, so that none of them looks like an arm.
PART_COLOURS = [
    "#bab0ac", "#5d4e8c", "#9ecae9", "#4c78a8", "#b279a2", "#ffbf79", "#54a24b", "#eeca3b", "#d67195", "#79706e",
]  # fmt: skip
ECDF_POINTS = 200
TIMELINE_BLOCKS = 2
TIMELINE_POINTS = 1500
# A container's name without its run, which is the same for all: block, arm and number.
SHORT_NAME = r"(b\d+-.*)$"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with what a reader should see in it; `rows` is the file of the run folder that it was drawn from."""

    key: str
    title: str
    text: str
    rows: str
    spec: dict[str, Any]


def charts(contents: Contents) -> Iterator[Chart]:
    """Every chart for which the run has rows."""
    for key, title, text, rows, draw in CHARTS:
        drawn = draw(contents)
        if drawn is not None:
            yield Chart(key, title, text, rows, drawn.to_dict())


def _measured(contents: Contents) -> pd.DataFrame:
    """Good items of valid cells."""
    items = valid_items(contents.run)
    good = items[items["ok"]]
    return good.assign(arm=good["arm"].astype(str), phase=good["phase"].astype(str))


def latency(contents: Contents) -> Any:
    """Share of items done within a time, one line an arm, one panel a phase."""
    frames = []
    for (arm, phase), part in _measured(contents).groupby(["arm", "phase"], sort=False):
        shares = np.linspace(0, 1, min(ECDF_POINTS, len(part)) + 1)[1:]
        quantiles = np.quantile(part["latency_s"], shares, method="inverted_cdf")
        frames.append(pd.DataFrame({"arm": arm, "phase": phase, "latency_s": quantiles, "share": shares}))
    if not frames:
        return None
    picked = alt.selection_point(fields=["arm"], bind="legend")
    return (
        alt.Chart(pd.concat(frames))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X(
                "latency_s:Q", title="latency from the intended start (s, log)", scale=alt.Scale(type="log")
            ),
            alt.Y("share:Q", title="share of items done", axis=alt.Axis(format="%")),
            colour(contents),
            opacity=alt.condition(picked, alt.value(1), alt.value(0.12)),
            tooltip=["arm", alt.Tooltip("latency_s:Q", format=".4f"), alt.Tooltip("share:Q", format=".1%")],
        )
        .add_params(picked)
        .properties(width=WIDTH, height=220)
        .facet(row=phases(contents))
    )


def parts(contents: Contents) -> Any:
    """Mean seconds of each part, stacked; cold and warm items apart."""
    table = contents.cold_and_warm
    if table.empty:
        return None
    start = np.where(table["cold"], "cold", "warm")
    table = table.assign(row=table["arm"] + ", " + start)
    long = table.melt(["row", "phase", "items"], [f"{p}_mean_s" for p in PARTS], "part", "seconds")
    long["part"] = long["part"].str.removesuffix("_mean_s")
    long["order"] = long["part"].map(PARTS.index)
    long["seconds"] = long["seconds"].clip(lower=0)
    return (
        alt.Chart(long)
        .mark_bar()
        .encode(
            alt.X("seconds:Q", title="mean seconds of an item"),
            alt.Y("row:N", title=None, sort=None),
            alt.Color("part:N", title="part", sort=PARTS, scale=alt.Scale(domain=PARTS, range=PART_COLOURS)),
            alt.Order("order:Q"),
            tooltip=["row", "part", alt.Tooltip("seconds:Q", format=".4f"), "items"],
        )
        .properties(width=WIDTH, height=alt.Step(22))
        .facet(row=phases(contents))
        .resolve_scale(y="independent")
    )


def throughput(contents: Contents) -> Any:
    """Items a second of each block: a dot a block, so that the spread shows."""
    cells = block_medians(contents.run)
    if cells.empty:
        return None
    return (
        alt.Chart(cells[["arm", "phase", "block", "throughput_items_per_s", "valid"]])
        .mark_circle(size=60)
        .encode(
            alt.X("throughput_items_per_s:Q", title="items a second, one dot a block"),
            alt.Y("arm:N", title=None, sort=arms(contents)),
            colour(contents, legend=None),
            opacity=alt.condition("datum.valid", alt.value(0.8), alt.value(0.2)),
            tooltip=["arm", "block", alt.Tooltip("throughput_items_per_s:Q", format=".2f"), "valid"],
        )
        .properties(width=WIDTH, height=alt.Step(24))
        .facet(row=phases(contents))
    )


def resources(contents: Contents) -> Any:
    """CPU seconds an item, and the highest memory of a container, beside its limit."""
    summary = contents.summary
    if summary.empty:
        return None
    table = summary.groupby("arm", sort=False).agg(
        cpu=("cpu_s_per_item", "first"),
        work=("work_cpu_s_per_item", "mean"),
        memory=("memory_peak_bytes", "max"),
    )
    table = table.reset_index().assign(
        mib=lambda t: t["memory"] / 2**20,
        cpu_ms=lambda t: t["cpu"] * 1000,
        work_ms=lambda t: t["work"] * 1000,
    )
    base = alt.Chart(table).encode(alt.Y("arm:N", title=None, sort=arms(contents)))
    cpu = base.mark_bar().encode(
        alt.X("cpu_ms:Q", title="CPU ms an item, start-up included (tick: the work alone)"),
        colour(contents, legend=None),
        tooltip=["arm", alt.Tooltip("cpu_ms:Q", format=".1f"), alt.Tooltip("work_ms:Q", format=".1f")],
    )
    work = base.mark_tick(color="#888888", thickness=3).encode(alt.X("work_ms:Q"))
    memory = base.mark_bar().encode(
        alt.X("mib:Q", title="peak memory of a container (MiB)"),
        colour(contents, legend=None),
        tooltip=["arm", alt.Tooltip("mib:Q", format=".1f")],
    )
    half = WIDTH // 2 - 60
    return alt.hconcat(
        (cpu + work).properties(width=half, height=alt.Step(28)),
        memory.properties(width=half, height=alt.Step(28)),
    )


def timeline(contents: Contents) -> Any:
    """Containers as bars from start to end, and their memory below, over the first blocks."""
    run = contents.run
    first = sorted(run.attempts.loc[~run.attempts["warmup"], "block"].unique())[:TIMELINE_BLOCKS]
    events = run.events[run.events["block"].isin(first)]
    bars = lives(events)
    if bars.empty:
        return None
    origin_ns = int(events["at_ns"].min())
    bars = pd.DataFrame({
        "arm": bars["arm"],
        "container": bars["container"].str.extract(SHORT_NAME)[0].fillna("other"),
        "start_s": (bars["started_ns"] - origin_ns) / 1e9, "end_s": (bars["ended_ns"] - origin_ns) / 1e9,
    })  # fmt: skip
    samples = run.samples[run.samples["block"].isin(first)].dropna(subset=["memory_bytes"])
    samples = samples.iloc[:: max(1, len(samples) // TIMELINE_POINTS)]
    memory = pd.DataFrame({
        "arm": samples["arm"].astype(str), "container": samples["container"].astype(str),
        "at_s": (samples["at_ns"] - origin_ns) / 1e9, "mib": samples["memory_bytes"] / 2**20,
    })  # fmt: skip
    time = alt.X("start_s:Q", title="seconds since the first block began")
    upper = (
        alt.Chart(bars)
        .mark_bar(height=7, cornerRadius=2)
        .encode(
            time, alt.X2("end_s:Q"), alt.Y("arm:N", title=None, sort=arms(contents)),
            alt.YOffset("container:N"), colour(contents, legend=None),
            tooltip=["arm", "container", alt.Tooltip("start_s:Q", format=".2f"), alt.Tooltip("end_s:Q", format=".2f")],
        )
        .properties(width=WIDTH, height=180)
    )  # fmt: skip
    lower = (
        alt.Chart(memory)
        .mark_line(strokeWidth=1.5)
        .encode(
            alt.X("at_s:Q", title="seconds since the first block began"),
            alt.Y("mib:Q", title="memory of each container (MiB)"),
            colour(contents), detail="container:N",
        )
        .properties(width=WIDTH, height=160)
    )  # fmt: skip
    return alt.vconcat(upper, lower).resolve_scale(x="shared")


CHARTS = [
    (
        "tune", "Time and cost over size",
        "A panel for each placement: time and cost over size, each with its 95 % interval; the dashed line is the 95th "
        "percentile where there are enough items, diamonds are the median of cold starts. Labels on top are the "
        "choices; sizes in red do not work.",
        "tune.csv", tune,
    ),
    (
        "latency", "How long items took",
        "Each line rises to the share of items that were done within that time, counted from when they were due. "
        "Further left is better. Click an arm in the legend to pick it out.",
        "attempts.parquet", latency,
    ),
    (
        "parts", "Where the time went",
        "Mean seconds of an item, split into its parts, cold and warm apart. A long queue means waiting for a free "
        "container; create, start and init are the cold start; work is the workload itself.",
        "attempts.parquet", parts,
    ),
    (
        "throughput", "Items a second",
        "One dot a block. In a steady phase it is at most what arrives; in a drop it is what the placement can do.",
        "attempts.parquet", throughput,
    ),
    (
        "resources", "CPU and memory",
        "What the containers used for each item, starting up included; memory counts cached files. "
        "The grey tick is the work alone: the rest is overhead of the placement.",
        "samples.parquet", resources,
    ),
    (
        "cost", "What a million items would cost",
        "Priced from the published price list. 'As run' is this load; 'busy' assumes work without pauses.",
        "summary.csv", cost,
    ),
    (
        "load", "What a month costs over its load",
        "Both axes are logarithmic. Each line is one placement, its band holds 95 % of what the blocks allow, and a "
        "point is where the cheaper of two changes. Steps are tasks that are added one by one.",
        "attempts.parquet", load,
    ),
    (
        "timeline", "Containers over time",
        "Every container of the first blocks from its start to its end, and its memory.",
        "events.parquet", timeline,
    ),
]  # fmt: skip
