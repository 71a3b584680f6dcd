"""A comparison as tables of text, the same ones in every output."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.comparison import NO_DIFFERENCE, TOO_FEW
from harness.analysis.records import records
from harness.comparing.comparison import Comparison
from harness.comparing.conditions import MISSING, Condition
from harness.comparing.figures import BY_NAME
from harness.comparing.ratios import IMPROVEMENT, REGRESSION
from harness.report.named import UNITS
from harness.report.table import Table

# Longer values are cut in the middle, where digests and versions tell least.
LONGEST = 36
ORDER = [REGRESSION, IMPROVEMENT, NO_DIFFERENCE, TOO_FEW]
CAPTION = "Ratios to {base} (measured; cost priced on that)"
NOTE = (
    "Other over base, with a 95 % bootstrap interval over the blocks of each run. A difference is named only where "
    "both runs have 10 valid blocks or more, the interval excludes 1, and it exceeds what two identical arms of either "
    "run differed by (the noise floor; of failures, a difference of shares). p95 takes 72 items on each side. "
    "Each interval is by itself: of many "
    "figures that are equal, some will exclude 1."
)


def conditions_table(comparison: Comparison) -> Table:
    """In what the runs differ."""
    rows = [
        [each.about, each.what, *(shortened(value) for value in _readable(each))]
        for each in comparison.conditions
    ]
    headings = ["about", "what", *comparison.labels]
    return Table("Conditions that differ", headings, rows, "All others that a run records are equal.")


def _readable(condition: Condition) -> list[str]:
    """Its values with their unit where they are bytes, and to the byte where a size would make them look equal."""
    numbers = [int(value) if value.isdecimal() else None for value in condition.values]
    if not condition.what.endswith("bytes") or not any(numbers):
        return list(condition.values)
    sizes = [MISSING if number is None else units.size(number) for number in numbers]
    if len(set(sizes)) == len(set(numbers)):
        return sizes
    return [MISSING if number is None else f"{number:,} B" for number in numbers]


def ratios_table(comparison: Comparison, rows: pd.DataFrame | None = None) -> Table:
    """Every figure, or those of `rows`."""
    table = comparison.table if rows is None else rows
    several = len(comparison.labels) > 2
    lines = [
        [
            *([row.run] if several else []), row.phase, row.arm, BY_NAME[row.metric].title,
            *(figure(row.metric, value) for value in (row.base_value, row.value)), ratio_text(row), blocks_text(row),
            floor_text(row), verdict_text(row), row.reason,
        ]
        for row in records(table)
    ]  # fmt: skip
    headings = [
        *(["run"] if several else []), "phase", "arm", "figure", "base", "other", "ratio (95 %)", "blocks",
        "noise floor", "verdict", "why not more",
    ]  # fmt: skip
    return Table(CAPTION.format(base=comparison.labels[0]), headings, lines, NOTE)


def thresholds_table(comparison: Comparison) -> Table:
    """What `--fail-on` led to: everything that failed or is undecided, and how many passed."""
    judged = comparison.judged
    rows: list[list[str]] = []
    for text in dict.fromkeys(judged["fail_on"]):
        own = judged[judged["fail_on"] == text]
        passed = int((own["judgement"] == "passed").sum())
        for row in records(own[own["judgement"] != "passed"]):
            where = f"{row.run}: {row.arm}, {row.phase}, {BY_NAME[row.metric].title}" if row.run else "-"
            rows.append([row.judgement, text, where, row.reason])
        if passed:
            rows.append(["passed", text, f"{passed} of {len(own)}", ""])
    rows.sort(key=lambda row: ["failed", "undecided", "passed"].index(row[0]))
    return Table(
        "Thresholds (--fail-on)", ["result", "fails on", "where", "why"], rows, "Undecided is no failure."
    )


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Regressions first, then improvements, then the rest, each in its own order."""
    return table.sort_values("verdict", key=lambda verdicts: verdicts.map(ORDER.index), kind="stable")


def figure(metric: str, value: float) -> str:
    """With its unit."""
    unit = next((text for ending, text in UNITS.items() if metric.endswith(ending)), units.digits)
    return unit(value)


def ratio_text(row: Any) -> str:
    """1.24 (1.18 to 1.31)."""
    return units.NONE if math.isnan(row.ratio) else f"{_factor(row.ratio)} ({_bounds(row)})"


def factor_text(row: Any) -> str:
    """1.24 x (1.18 to 1.31), for sentences."""
    return f"{_factor(row.ratio)} x ({_bounds(row)})"


def blocks_text(row: Any) -> str:
    """12 pairs, or 12 and 10."""
    return f"{row.blocks} pairs" if row.paired else f"{row.base_blocks} and {row.blocks}"


def floor_text(row: Any) -> str:
    """As a percentage; of failures it is in points."""
    text = units.percent(row.aa_floor)
    return text.replace("%", "points") if row.metric == "error_rate" else text


def verdict_text(row: Any) -> str:
    """regression (slower)."""
    return f"{row.verdict} ({row.change})" if row.change else str(row.verdict)


def shortened(text: str) -> str:
    """At most LONGEST characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 13]}…{text[-12:]}"


def _bounds(row: Any) -> str:
    if math.isnan(row.ratio_low):
        return "no interval"
    return f"{_factor(row.ratio_low)} to {_factor(row.ratio_high)}"


def _factor(value: float) -> str:
    return "∞" if math.isinf(value) else units.ratio(value)
