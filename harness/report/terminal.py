"""The report on a terminal: one table, then the result in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness import analysis
from harness.analysis import units
from harness.analysis.records import records
from harness.report.answer import answer, capital
from harness.report.contents import Contents
from harness.report.results import METRICS, figure
from harness.report.sizes import choices_table, sizes_table
from harness.report.speed import speed
from harness.runs import Run
from harness.tuning.picture import Picture


def render(contents: Contents) -> RenderableType:
    """What to print, for terminals from 100 columns on."""
    told: list[RenderableType] = [Text(f"! {banner}", style="yellow") for banner in contents.banners()]
    told += [_table(contents)] if contents.picture is None else _sizes(contents.picture)
    told.append(Text(f"$/million is for AWS. {speed(contents.model.terms)}", style="dim"))
    if len(contents.objectives):
        told.append(_objectives(contents))
    told += [Text(f"• {sentence}") for sentence in contents.sentences]
    told += _answer(contents)
    told.append(Text(f"Report: {contents.run.folder / 'report.html'}", style="bold"))
    return Group(*told)


def _answer(contents: Contents) -> list[RenderableType]:
    """Which placement, what speaks for it, and how far that goes."""
    found = answer(contents)
    if found is None:
        return []
    facts = " ".join(f"{each.question} {capital(each.figure)}." for each in found.facts)
    return [
        Text(f"{found.verdict}. {found.because}".rstrip(), style="bold"),
        *([Text(facts)] if facts else []),
    ]


def _objectives(contents: Contents) -> Table:
    colours = {"met": "green", "missed": "red", "undecided": "yellow"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("objective", "arm", "phase", "found (95 %)", "why"):
        table.add_column(heading, overflow="fold")
    for row in records(contents.objectives):
        verdict = f"[{colours[row.verdict]}]{row.verdict}[/]: {row.objective}"
        table.add_row(verdict, row.arm, row.phase, figure(row), row.reason)
    return table


def floor(run: Run) -> RenderableType:
    """What `harness aa` says: by how much two identical arms differed, in each figure."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("phase", "metric"):
        table.add_column(heading, no_wrap=True)
    for heading in ("ratio of two identical arms (95 %)", "blocks", "noise floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in records(analysis.compare(run)):
        interval = units.bounded(units.ratio, row.ratio, row.ratio_low, row.ratio_high)
        table.add_row(row.phase, METRICS[row.metric], interval, str(row.blocks), units.percent(row.aa_floor))
    told = [Text(f"! {banner}", style="yellow") for banner in Contents(run).banners()]
    meaning = (
        "A difference between placements is named on this machine only where it exceeds the noise floor."
    )
    return Group(*told, table, Text(meaning))


def _table(contents: Contents) -> Table:
    table = Table(
        box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"], collapse_padding=True
    )
    for heading in ("phase", "arm"):
        table.add_column(heading, no_wrap=True)
    for heading in (
        "ok",
        "p50",
        "p95",
        "items/s",
        "CPU/item",
        "memory",
        "$/million",
        "p50 against reference",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    phases = list(dict.fromkeys(contents.summary["phase"]))
    for phase in phases:
        for row in records(contents.summary[contents.summary["phase"] == phase]):
            table.add_row(
                phase, row.arm, f"{row.ok}/{row.planned}", units.duration(row.latency_p50_s),
                "too few" if pd.isna(row.latency_p95_s) else units.duration(row.latency_p95_s),
                units.digits(row.throughput_items_per_s), units.duration(row.cpu_s_per_item),
                units.size(row.memory_peak_bytes), _cost(contents, row.arm, phase), _ratio(contents, row.arm, phase),
            )  # fmt: skip
    return table


def _sizes(picture: Picture) -> Iterator[RenderableType]:
    """A sweep: a line for each size, and one for each choice."""
    for found in (sizes_table(picture, narrow=True), choices_table(picture)):
        table = Table(
            title=found.caption, title_justify="left", box=None, pad_edge=False, header_style="bold"
        )
        for number, heading in enumerate(found.headings):
            figures = number >= len(found.headings) - found.numeric
            table.add_column(heading, justify="right" if figures else "left", overflow="fold")
        for row in found.rows:
            table.add_row(*row)
        yield table


def _cost(contents: Contents, arm: str, phase: str) -> str:
    table = contents.cost
    found = table[(table["arm"] == arm) & (table["phase"] == phase) & (table["basis"] == "as run")]
    return units.money(found["usd_per_million"].iloc[0]) if len(found) else ""


def _ratio(contents: Contents, arm: str, phase: str) -> str:
    table = contents.comparison
    found = table[(table["arm"] == arm) & (table["phase"] == phase) & (table["metric"] == "latency_p50_s")]
    if found.empty:
        return "reference"
    row = found.iloc[0]
    told = f"{units.ratio(row['ratio'])} x"
    if pd.isna(row["ratio_low"]):
        return told
    return f"{told} ({units.ratio(row['ratio_low'])}-{units.ratio(row['ratio_high'])})"
