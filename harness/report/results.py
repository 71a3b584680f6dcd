"""The figures of a run, as tables of text: Markdown and HTML print the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.analysis.summary import PARTS
from harness.report.contents import Contents
from harness.report.costs import cost_tables
from harness.report.failed import failure_tables
from harness.report.named import unit
from harness.report.service import service_tables
from harness.report.sizes import choices_table, sizes_table
from harness.report.speed import speed
from harness.report.table import Table

METRICS = {
    "latency_p50_s": "median latency",
    "throughput_items_per_s": "throughput",
    "cpu_s_per_item": "CPU an item",
}


def first_tables(contents: Contents) -> list[Table]:
    """What a reader looks for first."""
    if contents.picture is not None:
        return [choices_table(contents.picture), _objectives(contents)]
    return [_objectives(contents), _summary(contents)]


def result_tables(contents: Contents) -> list[Table]:
    """The other figures."""
    sweep = [sizes_table(contents.picture), _summary(contents)] if contents.picture is not None else []
    return [
        *sweep, *failure_tables(contents), _comparison(contents), _cold(contents), *_pulls(contents),
        *service_tables(contents), *cost_tables(contents), _parts(contents),
    ]  # fmt: skip


def _objectives(contents: Contents) -> Table:
    rows = [
        [row.verdict, row.objective, row.arm, row.phase, figure(row), row.reason]
        for row in records(contents.objectives)
    ]
    headings = ["verdict", "objective", "arm", "phase", "found (95 %)", "why"]
    note = "Met or missed only where the whole interval agrees; an objective without data is missed."
    if contents.objectives["objective"].str.contains("usd").any():
        note += f" Costs are for AWS. {speed(contents.model.terms)}"
    return Table("Objectives", headings, rows, note, raw=contents.objectives)


def _summary(contents: Contents) -> Table:
    rows = [
        [
            row.arm, row.phase, f"{row.ok} of {row.planned}", str(row.cold), str(row.outliers),
            _interval(row, "latency_p50_s", units.duration), _or_few(row.latency_p90_s), _or_few(row.latency_p95_s),
            units.rate(row.throughput_items_per_s), units.duration(row.cpu_s_per_item),
            units.size(row.memory_peak_bytes),
        ]
        for row in records(contents.summary)
    ]  # fmt: skip
    headings = [
        "arm", "phase", "items ok", "cold", "outliers", "latency p50 (95 %)", "p90", "p95", "throughput",
        "CPU an item", "memory",
    ]  # fmt: skip
    note = (
        "CPU counts everything that the containers used, start-up and idling too, over all phases of an arm. "
        "Outliers lie three interquartile ranges beyond the quartiles; they are kept in every figure. "
        "Memory is the peak."
    )
    return Table("Summary (measured)", headings, rows, note, 9, contents.summary)


def _comparison(contents: Contents) -> Table:
    rows = [
        [
            row.phase, METRICS[row.metric], f"{row.arm} / {row.reference}",
            units.bounded(units.ratio, row.ratio, row.ratio_low, row.ratio_high),
            f"{row.blocks}", units.percent(row.aa_floor), _p_value(row.mann_whitney_p), row.verdict, row.reason,
        ]
        for row in records(contents.comparison)
    ]  # fmt: skip
    headings = [
        "phase",
        "metric",
        "arms",
        "ratio (95 %)",
        "blocks",
        "noise floor",
        "Mann-Whitney p",
        "verdict",
        "why not more",
    ]
    note = (
        "Median of the ratios in each block, with a bootstrap interval. "
        "The noise floor is what two identical arms differed by. Mann-Whitney is a cross-check on the same block "
        "figures; no verdict rests on it."
    )
    return Table("Arms against each other (measured)", headings, rows, note, raw=contents.comparison)


def _cold(contents: Contents) -> Table:
    # Few runs pull their image, and the table is wide.
    pulled = contents.cold_and_warm["pull_mean_s"].any()
    parts = [part for part in PARTS if part != "pull" or pulled]
    rows = [
        [
            row.arm, row.phase, "cold" if row.cold else "warm", str(row.items),
            _interval(row, "latency_p50_s", units.duration),
            *(units.duration(getattr(row, f"{part}_mean_s")) for part in parts),
        ]
        for row in records(contents.cold_and_warm)
    ]  # fmt: skip
    headings = ["arm", "phase", "start", "items", "latency p50 (95 %)", *parts]
    note = (
        "Parts are means and add up to the mean latency. Queue is waiting, other is transport and lateness."
    )
    numbers = 2 + len(parts)
    caption = "Cold against warm, and where the time goes (measured)"
    return Table(caption, headings, rows, note, numbers, contents.cold_and_warm)


def _pulls(contents: Contents) -> list[Table]:
    """Nothing where no image was pulled."""
    rows = [
        [
            row.arm, str(row.pulls), units.duration(row.pull_p50_s), units.duration(row.pull_max_s),
            units.size(row.compressed_bytes), f"{row.layers:.3g}", f"{row.layers_cached:.3g}",
        ]
        for row in records(contents.pulls)
    ]  # fmt: skip
    headings = ["arm", "pulls", "p50", "longest", "moved a pull", "layers", "of these here already"]
    where = (contents.run.manifest.get("image") or {}).get("registry")
    note = (
        f"Each container's image came from the registry ({where}); the time is fetching and unpacking. "
        "Pulls of a service's tasks come before the first item, and are in nobody's latency."
    )
    return [Table("Image pulls (measured)", headings, rows, note, 6, contents.pulls)] if rows else []


def _parts(contents: Contents) -> Table:
    rows = [
        [
            row.arm,
            row.phase,
            units.duration(row.work_cpu_s_per_item),
            units.size(row.bytes_in),
            units.size(row.bytes_out),
        ]
        for row in records(contents.summary)
    ]
    return Table(
        "The work itself (measured)",
        ["arm", "phase", "CPU of the work", "read", "written"],
        rows,
        "",
        3,
        contents.summary[["arm", "phase", "work_cpu_s_per_item", "bytes_in", "bytes_out"]],
    )


def figure(row: Any) -> str:
    """What was found for an objective, in the unit of its figure."""
    if pd.isna(row.value):
        return units.NONE
    return units.bounded(unit(row.objective.split()[0]), row.value, row.low, row.high)


def _p_value(value: float) -> str:
    return "-" if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _or_few(value: float) -> str:
    return "too few" if pd.isna(value) else units.duration(value)


def _interval(row: Any, name: str, text: Callable[[float], str]) -> str:
    return units.bounded(text, *(getattr(row, f"{name}{suffix}") for suffix in ("", "_low", "_high")))
