"""The charts: each a function from a run to an Altair chart, aggregated first so that a report stays small.

A function returns None where the run has no rows for its chart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.chart_parts import Drawn
from harness.report.contents import Contents
from harness.report.cost_charts import cost, duration, load
from harness.report.cost_charts import memory as memory_cost
from harness.report.latency_charts import latency, parts, percentiles
from harness.report.resource_charts import cpu, failures, memory
from harness.report.time_charts import throughput, timeline
from harness.report.tune_chart import tune


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with what it shows and how to read it; `rows` are in it, `source` is the file that they come from."""

    key: str
    title: str
    shows: str
    text: str
    source: str
    rows: pd.DataFrame
    spec: dict[str, Any]


def charts(contents: Contents) -> Iterator[Chart]:
    """Every chart for which the run has rows."""
    for key, title, text, source, draw in CHARTS:
        drawn = draw(contents)
        if drawn is not None:
            # Vega makes the description the picture's label for screen readers.
            spec = drawn.chart.to_dict(validate=False) | {"description": f"{title}. {drawn.shows}"}
            yield Chart(key, title, drawn.shows, text, source, drawn.rows, spec)


CHARTS: list[tuple[str, str, str, str, Callable[[Contents], Drawn | None]]] = [
    (
        "tune", "Time and cost over size",
        "A panel for each placement: time and cost over size, each with its 95 % interval; the dashed line is the 95th "
        "percentile where there are enough items, diamonds are the median of cold starts. Labels on top are the "
        "choices; sizes in red do not work.",
        "tune.csv", tune,
    ),
    (
        "load", "What a month costs over its load",
        "Priced on what was measured. Both axes are logarithmic. Each line is one placement, its band holds 95 % of "
        "what the blocks allow, and a ring is where the cheaper of two changes. Steps are tasks that are added one by "
        "one. The switches above change this picture too.",
        "attempts.parquet", load,
    ),
    (
        "duration", "What a month costs over how long an item takes",
        "Priced on what was measured, at the run's own rate all month. Every second of an item is stretched; 1 is the "
        "run itself. Both axes are logarithmic. Bands hold 95 % of what the blocks allow, a ring is where the cheaper "
        "of two changes.",
        "attempts.parquet", duration,
    ),
    (
        "memory-cost", "What a month costs over the memory that an item needs",
        "Priced on what was measured, at the run's own rate all month and with times as measured. A function is billed "
        "in proportion to its memory; tasks and jobs on Fargate come in sizes, so theirs is a staircase. Both axes are "
        "logarithmic. Bands hold 95 % of what the blocks allow, a ring is where the cheaper of two changes.",
        "attempts.parquet", memory_cost,
    ),
    (
        "latency", "How long items took",
        "Measured. Each line rises to the share of items that were done within that time, counted from when they were "
        "due. Further left is better. Click an arm in the legend to pick it out.",
        "attempts.parquet", latency,
    ),
    (
        "percentiles", "Percentiles of latency",
        "Measured. A dot is the percentile, its bar the 95 % interval. A percentile that takes more items than there "
        "were is left out.",
        "summary.csv", percentiles,
    ),
    (
        "parts", "Where the time went",
        "Measured. Mean seconds of an item, split into its parts, cold and warm apart. A long queue means waiting for "
        "a free container; create, start and init are the cold start; work is the workload itself.",
        "attempts.parquet", parts,
    ),
    (
        "throughput", "Items a second over time",
        "Measured. Items finished a second in the median block, with the middle 80 % of blocks around it. The dotted "
        "line is the rate at which items came. A/A duplicates are left out.",
        "attempts.parquet", throughput,
    ),
    (
        "timeline", "Containers over time",
        "Measured. One block, the one in which most happened: each container from its start to its end, pale while it "
        "is frozen, as an idle environment of a function is where the engine can freeze it; other containers that wait "
        "for an item count as running. A gap is a container that was down until it was started again. Below: how many "
        "there were, the CPU that they used together, and their memory. All panels have the same time axis, and each "
        "arm starts at 0, though they ran one after the other.",
        "events.parquet", timeline,
    ),
    (
        "cpu", "CPU of an item",
        "Measured. What the containers used for each item, starting up and idling included. The tick is the work "
        "alone: the rest is overhead of the placement.",
        "samples.parquet", cpu,
    ),
    (
        "memory", "Memory headroom",
        "Measured. The highest memory of any container, cached files included, within its limit. Sizes that would "
        "do leave a fifth to spare, in AWS's MB, which are MiB.",
        "samples.parquet", memory,
    ),
    (
        "failures", "Failures by kind",
        "Measured. Every attempt that did not end well, retried and warm-up ones included.",
        "attempts.parquet", failures,
    ),
    (
        "cost", "What a million items would cost",
        "Priced from the published price list. 'As run' is this load; 'busy' assumes work without pauses.",
        "summary.csv", cost,
    ),
]  # fmt: skip
