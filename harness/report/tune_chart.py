"""The picture of a sweep: for each placement two curves over size, time falling and cost rising."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from harness.analysis.records import records
from harness.report.chart_parts import QUIET, WIDTH, Drawn
from harness.tuning.choice import choices
from harness.tuning.sentences import WORDS, label

if TYPE_CHECKING:
    from harness.report.contents import Contents
    from harness.tuning.picture import Picture

TIME, COST, FAILS = "#0072B2", "#E69F00", "#D55E00"
HEIGHT = 240
# Room above the curves for the labels of the choices.
HEADROOM = 1.25


def tune(contents: Contents) -> Drawn | None:
    """A panel for each placement; None where the run is no sweep, or nothing ran."""
    picture = contents.picture
    if picture is None or picture.sizes.empty:
        return None
    chosen = choices(picture)
    panels = [_panel(picture, placement, chosen) for placement in picture.placements]
    return Drawn(alt.vconcat(*panels, spacing=28), _plain(picture.sizes), " ".join(contents.sentences))


def _plain(sizes: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that hold lists, which a CSV cannot."""
    return sizes[
        [name for name in sizes if not sizes[name].map(lambda value: isinstance(value, list | tuple)).any()]
    ]


def _panel(picture: Picture, placement: str, chosen: pd.DataFrame) -> Any:
    sizes = picture.sizes[picture.sizes["placement"] == placement]
    table = sizes.assign(size=[label(row) for row in records(sizes)])
    chosen = chosen[chosen["placement"] == placement]
    order = table["size"].tolist()
    x = alt.X("size:N", title="memory" if (table["kind"] == "function").all() else "size", sort=order,
              axis=alt.Axis(labelAngle=0), scale=alt.Scale(domain=order))  # fmt: skip
    good = table[table["works"]]
    layers = [
        _curve(good, x, "time_s", f"{_time_title(picture)} (s)", TIME, "left",
               with_latency=picture.question.time == "latency"),
        _curve(good, x, "usd_per_million", "US dollars per million items", COST, "right"),
        _choices(good, chosen, x),
        _failing(table[~table["works"]], x),
    ]  # fmt: skip
    return (
        alt.layer(*(layer for layer in layers if layer is not None))
        .resolve_scale(y="independent")
        .properties(width=WIDTH, height=HEIGHT, title=alt.Title(placement, anchor="start", fontSize=13))
    )


def _time_title(picture: Picture) -> str:
    return "median latency" if picture.question.time == "latency" else "median time of the work"


def _curve(
    table: pd.DataFrame, x: Any, name: str, title: str, colour: str, side: Any, *, with_latency: bool = False
) -> Any:
    """One figure with its interval, on an axis of its own at that side; `with_latency` adds p95 and cold starts."""
    known = table.dropna(subset=[name])
    if known.empty:
        return None
    columns = [name, f"{name}_high", *(["latency_p95_s", "cold_p50_s"] if with_latency else [])]
    top = float(known[columns].max().max()) * HEADROOM
    axis = alt.Axis(title=title, titleColor=colour, orient=side, grid=side == "left")

    def y(column: str) -> Any:
        return alt.Y(f"{column}:Q", axis=axis, scale=alt.Scale(domain=[0, top], nice=False))

    shown = [
        "size",
        name,
        f"{name}_low",
        f"{name}_high",
        "latency_p95_s",
        "cold_p50_s",
        "warm_p50_s",
        "items",
    ]
    base = alt.Chart(known[list(dict.fromkeys([*shown, *columns]))])
    tooltip = ["size", *(alt.Tooltip(f"{column}:Q", format=".4~g") for column in shown[1:])]
    parts = [
        base.mark_area(opacity=0.18, color=colour).encode(x, y(f"{name}_low"), alt.Y2(f"{name}_high:Q")),
        base.mark_line(color=colour, strokeWidth=2.5).encode(x, y(name)),
        base.mark_circle(color=colour, size=70, opacity=1).encode(x, y(name), tooltip=tooltip),
    ]
    # A band has no width where only one size worked; a bar has one.
    bars = base.mark_rule(color=colour).encode(x, y(f"{name}_low"), alt.Y2(f"{name}_high:Q"))
    parts.append(bars)
    if with_latency:
        for column, mark in (
            ("latency_p95_s", base.mark_line(color=colour, strokeWidth=1.2, strokeDash=[4, 3])),
            ("cold_p50_s", base.mark_point(color=colour, shape="diamond", size=45, filled=False)),
        ):
            if known[column].notna().any():
                parts.append(mark.encode(x, y(column)))
    return alt.layer(*parts)


def _choices(table: pd.DataFrame, chosen: pd.DataFrame, x: Any) -> Any:
    """A dotted line at each size that is a choice, and which it is."""
    if chosen.empty:
        return None
    words = chosen.assign(word=chosen["goal"].map(WORDS)).groupby("arm")["word"].agg(list)
    marked = table[table["arm"].isin(words.index)][["arm", "size"]]
    marked = marked.assign(words=[words[arm] for arm in marked["arm"]])
    base = alt.Chart(marked[["size", "words"]]).encode(x)
    rule = base.mark_rule(strokeDash=[2, 3], color=QUIET).encode(y=alt.value(34), y2=alt.value(HEIGHT))
    text = base.mark_text(baseline="top", fontWeight="bold", color=QUIET, lineHeight=12).encode(
        alt.Text("words:N"), y=alt.value(0)
    )
    return alt.layer(rule, text)


def _failing(table: pd.DataFrame, x: Any) -> Any:
    """A cross for each size that does not work, or is not known to, and why."""
    if table.empty:
        return None
    why = pd.Series([_why(row) for row in records(table)], index=table.index)
    colour = table["problem"].map(lambda problem: FAILS if problem else QUIET)
    base = alt.Chart(table[["size"]].assign(why=why, colour=colour)).encode(
        x, alt.Color("colour:N", scale=None)
    )
    cross = base.mark_point(shape="cross", angle=45, size=130, filled=True).encode(y=alt.value(HEIGHT - 14))
    text = base.mark_text(baseline="bottom", lineHeight=12).encode(
        alt.Text("why:N"), y=alt.value(HEIGHT - 58)
    )
    return alt.layer(cross, text)


def _why(row: Any) -> list[str]:
    """In lines that fit between two sizes."""
    if not row.problem:
        return ["not usable"]
    need = []
    if pd.notna(row.needed_memory_bytes):
        mib = f"{math.ceil(row.needed_memory_bytes / 2**20):,} MB"
        need = ["needs more", f"than {mib}"] if row.needed_is_more else [f"needs {mib}"]
    return [str(row.problem), *need]
