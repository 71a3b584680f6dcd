"""A comparison on a terminal: what differs first, then every ratio, then what came out."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from harness.analysis.records import records
from harness.comparing.comparison import Comparison
from harness.comparing.figures import BY_NAME
from harness.comparing.sentences import sentences
from harness.comparing.tables import conditions_table, figure, ratio_text, thresholds_table, verdict_text
from harness.report.table import Table

STYLES = {
    "regression": "red", "improvement": "green", "too few blocks": "yellow",
    "failed": "red", "undecided": "yellow", "passed": "green",
}  # fmt: skip


def render(comparison: Comparison) -> RenderableType:
    """What to print, for terminals from 100 columns on."""
    conditions = conditions_table(comparison)
    told: list[RenderableType] = [Text(f"! {banner}", style="bold yellow") for banner in comparison.banners]
    if conditions.rows:
        told += [Text(f"{conditions.caption}:", style="bold"), _grid(conditions)]
    else:
        told.append(Text("All recorded conditions are equal.", style="bold"))
    told += [Text(f"• {note}") for note in comparison.notes]
    for label in comparison.labels[1:]:
        told += [
            Text(""),
            Text(f"{label} / {comparison.labels[0]}", style="bold"),
            _ratios(comparison, label),
        ]
    if len(comparison.judged):
        told += [Text(""), _grid(thresholds_table(comparison), styled=True)]
    told += [Text(""), *(Text(sentence, style="bold") for sentence in sentences(comparison))]
    return Group(*told)


def _ratios(comparison: Comparison, label: str) -> Grid:
    grid = _empty(["phase", "arm", "figure"], ["base", "other", "ratio (95 %)"], ["verdict"])
    before = ("", "")
    for row in records(comparison.table[comparison.table["run"] == label]):
        # Names are printed where they change: that is what sets one arm apart from the next.
        same = (row.phase, row.arm) == before
        before = (row.phase, row.arm)
        told = Text(verdict_text(row), style=STYLES.get(row.verdict, ""))
        if row.reason and row.reason != "the interval includes 1":
            told.append(f": {row.reason}", style="dim")
        grid.add_row(
            *(Text("" if same else name) for name in before), Text(BY_NAME[row.metric].title),
            *(Text(figure(row.metric, value)) for value in (row.base_value, row.value)), Text(ratio_text(row)), told,
        )  # fmt: skip
    return grid


def _grid(table: Table, *, styled: bool = False) -> Grid:
    """Cells may hold brackets, which are no markup. `styled` colours the first of them by its text."""
    grid = _empty([], [], table.headings)
    for row in table.rows:
        first = Text(row[0], style=STYLES.get(row[0], "") if styled else "")
        grid.add_row(first, *(Text(cell) for cell in row[1:]))
    return grid


def _empty(names: list[str], numbers: list[str], texts: list[str]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for heading in names:
        grid.add_column(heading, no_wrap=True)
    for heading in numbers:
        grid.add_column(heading, justify="right", no_wrap=True)
    for heading in texts:
        grid.add_column(heading, overflow="fold")
    return grid
