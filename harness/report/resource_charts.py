"""The charts of what containers used, and of what failed."""

from __future__ import annotations

import altair as alt
import pandas as pd

from harness import analysis
from harness.analysis import units
from harness.analysis.headroom import headroom
from harness.analysis.records import records
from harness.report.chart_parts import EDGE, QUIET, WIDTH, Drawn, arms, colour, listed, originals, phases
from harness.report.contents import Contents
from harness.rows import Outcome

# Okabe and Ito's, in the order of how bad it is for whoever runs it.
FAILURES = {
    Outcome.OUT_OF_MEMORY: "#D55E00", Outcome.ERROR: "#CC79A7", Outcome.TIMEOUT: "#E69F00", Outcome.LOST: "#009E73",
    Outcome.THROTTLED: "#56B4E9", Outcome.DROPPED: "#999999",
}  # fmt: skip
MIB = 2**20


def cpu(contents: Contents) -> Drawn | None:
    """CPU seconds an item: of everything that the containers did, and of the work alone."""
    summary = contents.summary
    if summary.empty:
        return None
    rows = summary.groupby("arm", sort=False).agg(
        cpu_s_per_item=("cpu_s_per_item", "first"), work_cpu_s_per_item=("work_cpu_s_per_item", "mean")
    )
    rows = rows.reset_index()
    shown = rows.assign(cpu_ms=rows["cpu_s_per_item"] * 1000, work_ms=rows["work_cpu_s_per_item"] * 1000)
    base = alt.Chart(shown[["arm", "cpu_ms", "work_ms"]]).encode(
        alt.Y("arm:N", title=None, sort=arms(contents))
    )
    bars = base.mark_bar(height=16).encode(
        alt.X(
            "cpu_ms:Q", title="CPU milliseconds an item (tick: the work alone)", axis=alt.Axis(tickCount=8)
        ),
        colour(contents, legend=False),
        tooltip=["arm", alt.Tooltip("cpu_ms:Q", format=".1f"), alt.Tooltip("work_ms:Q", format=".1f")],
    )
    work = base.mark_tick(color="currentColor", thickness=3, height=22).encode(alt.X("work_ms:Q"))
    layers = alt.layer(bars, work) if rows["work_cpu_s_per_item"].notna().any() else bars
    told = [
        f"{row.arm} {units.duration(row.cpu_s_per_item)}, of which the work {units.duration(row.work_cpu_s_per_item)}"
        for row in records(rows)
        if row.arm in originals(contents)
    ]
    shows = f"CPU time an item took: {'; '.join(told)}."
    return Drawn(layers.properties(width=WIDTH, height=alt.Step(28)), rows, shows)


def memory(contents: Contents) -> Drawn | None:
    """The highest memory of a container, within its limit."""
    rows = headroom(contents.run)
    if rows.empty:
        return None
    shown = pd.DataFrame({
        "arm": rows["arm"], "peak_mib": rows["memory_peak_bytes"] / MIB, "limit_mib": rows["limit_bytes"] / MIB,
        "label": [_use(row) for row in records(rows)],
    })  # fmt: skip
    base = alt.Chart(shown).encode(
        alt.Y("arm:N", title=None, sort=arms(contents)),
        tooltip=["arm", *(alt.Tooltip(f"{name}:Q", format=",.0f") for name in ("peak_mib", "limit_mib"))],
    )
    x = alt.X("limit_mib:Q", title="MiB (grey: up to the limit)")
    limit = base.mark_bar(height=16, color=QUIET, opacity=0.25).encode(x)
    peak = base.mark_bar(height=16).encode(alt.X("peak_mib:Q"), colour(contents, legend=False))
    text = base.mark_text(align="left", dx=6, fontSize=11, color="currentColor")
    text = text.encode(alt.X("peak_mib:Q"), text="label:N")
    shows = " ".join(
        f"{row.arm} used at most {_use(row)}: {row.would_do}."
        for row in records(rows)
        if row.arm in originals(contents)
    )
    return Drawn((limit + peak + text).properties(width=WIDTH, height=alt.Step(28)), rows, shows)


def _use(row: object) -> str:
    peak, limit = row.memory_peak_bytes, row.limit_bytes  # type: ignore[attr-defined]
    return f"{units.size(peak)}, {units.percent(peak / limit)} of its {units.size(limit)}"


def failures(contents: Contents) -> Drawn | None:
    """Attempts that did not end well, by how they ended; None where there were none."""
    table = analysis.outcomes(contents.run)
    rows = table[(table["outcome"] != Outcome.OK) & (table["population"] != "calibration")]
    if rows.empty:
        return None
    rows = rows.groupby(["arm", "phase", "outcome"], sort=False)["attempts"].sum().reset_index()
    found = [str(kind) for kind in FAILURES if (rows["outcome"] == kind).any()]
    colours = [FAILURES[Outcome(kind)] for kind in found]
    chart = (
        alt.Chart(rows)
        .mark_bar(height=16, **EDGE)
        .encode(
            alt.X("attempts:Q", title="attempts that failed", axis=alt.Axis(tickMinStep=1, format="d")),
            alt.Y("arm:N", title=None, sort=arms(contents)),
            alt.Color("outcome:N", title=None, scale=alt.Scale(domain=found, range=colours)),
            tooltip=["arm", "phase", "outcome", "attempts"],
        )
        .properties(width=WIDTH, height=alt.Step(26))
        .facet(row=phases(contents))
    )  # fmt: skip
    told = [f"{row.attempts} x {row.outcome} by {row.arm} in {row.phase}" for row in records(rows)]
    return Drawn(chart, rows, f"Failed: {listed(told)}.")
