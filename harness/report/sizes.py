"""The tables of a sweep of sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.model import cost_model
from harness.report.speed import speed
from harness.report.table import Table
from harness.tuning.choice import choices
from harness.tuning.picture import Picture
from harness.tuning.sentences import WORDS, label


def choices_table(picture: Picture) -> Table:
    """The size to take for each placement and goal."""
    labels = {str(row.arm): label(row) for row in records(picture.sizes)}
    rows = [
        [
            row.placement, WORDS[row.goal], labels[row.arm], units.duration(row.time_s),
            units.money(row.usd_per_million), ", ".join(labels[arm] for arm in row.as_good) or "none",
        ]
        for row in records(choices(picture))
    ]  # fmt: skip
    headings = ["placement", "choice", "size", "time", "per million", "not told apart from it"]
    weight = picture.question.weight
    note = (
        f"Balanced is the least of {weight:g} x cost / highest cost + {1 - weight:g} x time / longest time, as AWS "
        "Lambda Power Tuning has it. A size is told apart by its ratio in each block, with 10 blocks, an interval "
        f"without 1, and more than two identical arms differ by. {_priced(picture)}"
    )
    return Table("Which size to choose", headings, rows, note)


def sizes_table(picture: Picture, *, narrow: bool = False) -> Table:
    """Every size; `narrow` has the columns that fit a terminal."""
    headings = [
        "placement",
        "size",
        "p50 (95 %)",
        "p95",
        "warm p50",
        "cold p50",
        "$/million (95 %)",
        "result",
    ]
    numeric = 0
    if not narrow:
        headings = [
            "placement", "size", "result", "latency p50 (95 %)", "p95 (95 %)", "p99 (95 %)", "warm p50", "cold p50",
            "work p50", "waiting", "per million (95 %)", "items ok", "memory",
        ]  # fmt: skip
        numeric = 10
    question = picture.question
    note = (
        f"Of phase {question.phase}; sizes are chosen by {question.time} and by the cost '{question.basis}' (measured, "
        "and priced on it). Cold and warm are medians, with the number of items. Waiting is the share of an item's "
        "time in which it waited for a free container. Memory is the peak, page cache included. Not usable: "
        f"every cell was invalid. {_priced(picture)}"
    )
    rows = [_narrow(row) if narrow else _wide(row) for row in records(picture.sizes)]
    return Table(f"Sizes in phase {question.phase}", headings, rows, note, numeric)


def _priced(picture: Picture) -> str:
    return f"Times are this machine's, costs are for AWS: {speed(cost_model(picture.run).terms)}"


def _wide(row: Any) -> list[str]:
    return [
        row.placement, label(row), _result(row),
        *(_interval(row, f"latency_{quantile}_s", units.duration) for quantile in ("p50", "p95", "p99")),
        _counted(row.warm_p50_s, row.warm_items), _counted(row.cold_p50_s, row.cold_items),
        units.duration(row.handler_p50_s), units.percent(row.queue_share),
        _interval(row, "usd_per_million", units.money), _ok(row), units.size(row.memory_peak_bytes),
    ]  # fmt: skip


def _narrow(row: Any) -> list[str]:
    return [
        row.placement, label(row), _interval(row, "latency_p50_s", units.duration, "-"), _or_few(row),
        units.duration(row.warm_p50_s), units.duration(row.cold_p50_s),
        _interval(row, "usd_per_million", units.money, "-"), row.problem or _result(row),
    ]  # fmt: skip


def _result(row: Any) -> str:
    """Whether it works, and if not what it would take."""
    if row.problem:
        return f"{row.problem}; {row.needed}" if row.needed else str(row.problem)
    return "works" if row.works else "not usable"


def _ok(row: Any) -> str:
    return (
        str(row.items)
        if not row.failed_share > 0
        else f"{row.items}, {units.percent(row.failed_share)} failed"
    )


def _interval(row: Any, name: str, text: Callable[[float], str], to: str = " to ") -> str:
    """502 (470 to 540) ms: the unit once, where it is one."""
    value, low, high = (getattr(row, f"{name}{suffix}") for suffix in ("", "_low", "_high"))
    if pd.isna(value):
        return units.NONE if row.items == 0 else "too few"
    if pd.isna(low):
        return text(value)
    first, *bounds = (text(each).partition(" ") for each in (value, low, high))
    numbers = [number.removeprefix("$") for number, _, _ in bounds]
    if {unit for _, _, unit in bounds} == {first[2]}:
        return f"{first[0]} ({to.join(numbers)}) {first[2]}".rstrip()
    return f"{text(value)} ({text(low)}{to}{text(high)})"


def _or_few(row: Any) -> str:
    value = row.latency_p95_s
    return units.duration(value) if pd.notna(value) else units.NONE if row.items == 0 else "too few"


def _counted(value: float, count: int) -> str:
    return f"{units.duration(value)} ({count})" if count else units.NONE
