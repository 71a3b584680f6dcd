"""The charts over time: items a second, and containers beside the CPU and memory that they used."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from harness.analysis import units
from harness.analysis.rates import rates
from harness.analysis.records import records
from harness.analysis.timeline import Timeline
from harness.analysis.timeline import timeline as timeline_of
from harness.report.chart_parts import QUIET, WIDTH, Drawn, colour, dash, listed, originals
from harness.report.contents import Contents

MOST_LANES = 24
MOST_TICKS = 4
STATES = ["running", "frozen"]
# The same in the four panels of the time line, so that they stand above each other.
LEFT = 110
MIB = 2**20


def throughput(contents: Contents) -> Drawn | None:
    """Items done a second over the time of a phase: the median block, and the middle 80 % of blocks."""
    shown = originals(contents)
    rows = rates(contents.run, shown)
    if rows.empty:
        return None
    paced = _paced(contents)
    panels = [
        _rate_panel(contents, shown, str(phase), own, paced.get(str(phase)))
        for phase, own in rows.groupby("phase", sort=False)
    ]
    told = []
    for phase, own in contents.summary.dropna(subset=["throughput_items_per_s"]).groupby("phase", sort=False):
        ranked = own[own["arm"].isin(shown)].sort_values("throughput_items_per_s", ascending=False)
        each = [f"{units.rate(row.throughput_items_per_s)} by {row.arm}" for row in records(ranked)]
        told.append(
            f"From the first item due to the last one done, the median block of {phase} did {listed(each)}."
        )
    return Drawn(alt.vconcat(*panels).resolve_scale(color="shared"), rows, " ".join(told))


def _rate_panel(
    contents: Contents, shown: list[str], phase: str, rows: pd.DataFrame, paced: tuple[float, float] | None
) -> Any:
    x = alt.X("at_s:Q", title="seconds since the first item of the phase was due")
    base = alt.Chart(rows.drop(columns="phase")).encode(x, colour(contents, shown, opaque=True))
    tips = [alt.Tooltip(f"{name}:Q", format=".3~g") for name in ("at_s", "items_per_s", "low", "high")]
    layers = [
        base.mark_area(opacity=0.15, interpolate="step-after").encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(strokeWidth=2, interpolate="step-after").encode(
            alt.Y("items_per_s:Q", title="items a second"), dash(contents, shown), tooltip=["arm", *tips]
        ),
    ]
    if paced:
        rate, until_s = paced
        due = pd.DataFrame({"at_s": [0.0, until_s], "items_per_s": [rate, rate]})
        layers.append(
            alt.Chart(due).mark_line(color=QUIET, strokeDash=[1, 3]).encode(x, alt.Y("items_per_s:Q"))
        )
    return alt.layer(*layers).properties(width=WIDTH, height=160, title=phase)


def _paced(contents: Contents) -> dict[str, tuple[float, float]]:
    """Of each phase with a rate: items a second, and for how many seconds."""
    phases = (contents.run.manifest.get("scenario") or {}).get("phases") or []
    return {
        each["name"]: (each["arrivals"]["rate_per_s"], each["arrivals"]["duration_s"])
        for each in phases
        if each["arrivals"].get("rate_per_s") and each["arrivals"].get("duration_s")
    }


def timeline(contents: Contents) -> Drawn | None:
    """Four panels over one time axis: containers, how many, their CPU, their memory."""
    shown = originals(contents)
    found = timeline_of(contents.run, shown)
    if found is None:
        return None
    end_s = float(found.spans["end_s"].max())
    x = alt.Scale(domain=[0, end_s], nice=False)
    chart = alt.vconcat(
        _lives(contents, shown, found, x),
        *(
            _use(contents, shown, found, x, name, title, last=name == "mib")
            for name, title in (
                ("containers", "containers"),
                ("cpu_cores", "CPU (cores)"),
                ("mib", "memory (MiB)"),
            )
        ),
        spacing=8,
    ).resolve_scale(color="shared")
    happened = found.marks["what"].value_counts()
    told = [
        f"{arm} ran {own['container'].nunique()} container(s), at most {int(own['lane'].max())} at once"
        for arm, own in found.spans.groupby("arm", sort=False)
    ]
    marks = (
        f" Meanwhile: {listed(f'{count} x {what}' for what, count in happened.items())}."
        if len(happened)
        else ""
    )
    return Drawn(chart, _rows(found), f"In block {found.block}, {listed(told)}.{marks}")


def _lives(contents: Contents, shown: list[str], found: Timeline, scale: alt.Scale) -> Any:
    spans = found.spans[found.spans["lane"] <= MOST_LANES]
    names = spans["arm"] + " " + spans["lane"].astype(str)
    lanes = spans.groupby("arm")["lane"].max()
    order = [f"{arm} {lane + 1}" for arm in shown if arm in lanes for lane in range(lanes[arm])]
    y = alt.Y(
        "row:N",
        title=None,
        sort=order,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(minExtent=LEFT, maxExtent=LEFT, ticks=False),
    )
    pale = alt.Scale(domain=STATES, range=[1, 0.3])
    idle = alt.Legend(labelExpr="datum.label == 'frozen' ? 'frozen while idle' : datum.label")
    frozen = idle if (spans["state"] == "frozen").any() else None
    bars = (
        alt.Chart(spans.assign(row=names)[["arm", "row", "state", "start_s", "end_s"]])
        .mark_bar(height=9, cornerRadius=2)
        .encode(
            alt.X("start_s:Q", title=None, scale=scale, axis=alt.Axis(labels=False)), alt.X2("end_s:Q"), y,
            colour(contents, shown),
            opacity=alt.Opacity("state:N", title="container", sort=STATES, legend=frozen, scale=pale),
            tooltip=["row", "state", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("start_s", "end_s"))],
        )
    )  # fmt: skip
    layers = [bars]
    marks = found.marks[found.marks["lane"] <= MOST_LANES]
    if len(marks):
        named = marks.assign(row=marks["arm"] + " " + marks["lane"].astype(str))[
            ["row", "at_s", "what", "why"]
        ]
        layers.append(
            alt.Chart(named)
            .mark_point(size=90, filled=True, color="currentColor", opacity=1)
            .encode(
                alt.X("at_s:Q", scale=scale), y,
                alt.Shape("what:N", title="what happened"),
                tooltip=["what", alt.Tooltip("at_s:Q", format=".2f"), "why"],
            )
        )  # fmt: skip
    return alt.layer(*layers).properties(width=WIDTH, height=alt.Step(14))


def _use(
    contents: Contents,
    shown: list[str],
    found: Timeline,
    scale: alt.Scale,
    name: str,
    title: str,
    *,
    last: bool,
) -> Any:
    rows = found.use.assign(mib=found.use["memory_bytes"] / MIB).dropna(subset=[name])
    axis = alt.Axis(labels=last)
    ticks: dict[str, Any] = (
        {"values": _whole(rows[name]), "format": "d"} if name == "containers" else {"tickCount": 4}
    )
    left = alt.Axis(minExtent=LEFT, maxExtent=LEFT, **ticks)
    return (
        alt.Chart(rows[["arm", "at_s", name]])
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            alt.X("at_s:Q", scale=scale, axis=axis, title="seconds since the arm began" if last else None),
            alt.Y(f"{name}:Q", title=title, axis=left),
            colour(contents, shown),
            tooltip=["arm", *(alt.Tooltip(f"{each}:Q", format=".3~g") for each in ("at_s", name))],
        )
        .properties(width=WIDTH, height=90)
    )  # fmt: skip


def _whole(counts: pd.Series) -> list[int]:
    """A few ticks for a count. Vega's least step yields to the number of ticks that it wants: it would draw halves."""
    most = int(counts.max())
    return list(range(0, most + 1, math.ceil(most / MOST_TICKS) or 1))


def _rows(found: Timeline) -> pd.DataFrame:
    """The three tables below each other: what a row is about says its `part`."""
    return pd.concat(
        [
            found.spans.assign(part="container"),
            found.marks.assign(part="happened"),
            found.use.assign(part="use"),
        ],
        ignore_index=True,
    ).assign(block=found.block)
