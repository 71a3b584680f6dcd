"""A comparison as Markdown for a pull request: one short table, and everything else folded away."""

from __future__ import annotations

from harness.comparing.comparison import Comparison
from harness.comparing.ratios import CHANGES
from harness.comparing.sentences import sentences
from harness.comparing.tables import conditions_table, in_order, ratios_table, thresholds_table
from harness.report.markdown import table_text
from harness.report.table import Table

SHORT = ["figure", "base", "other", "ratio (95 %)", "verdict"]


def markdown(comparison: Comparison) -> str:
    """The whole comment."""
    conditions, whole, judged = (
        make(comparison) for make in (conditions_table, ratios_table, thresholds_table)
    )
    told = ["### Placements compared", _listed(sentences(comparison))]
    told += [f"> **Note:** {banner}" for banner in comparison.banners]
    if conditions.rows:
        told.append(_folded(f"Conditions that differ: {len(conditions.rows)}", [table_text(conditions)]))
    else:
        told.append("All conditions that a run records are equal.")
    told.append(table_text(_short(comparison)))
    if judged.rows:
        told.append(table_text(judged))
    rest = [_listed(comparison.notes)] if comparison.notes else []
    told.append(
        _folded(f"All {len(whole.rows)} figures, and how far to trust them", [*rest, table_text(whole)])
    )
    return "\n\n".join(told) + "\n"


def _short(comparison: Comparison) -> Table:
    """Every difference that may be named, and median latency whatever came out."""
    table = comparison.table
    shown = in_order(table[table["verdict"].isin(CHANGES) | (table["metric"] == "latency_p50_s")])
    full = ratios_table(comparison, shown)
    names = full.headings[: full.headings.index("figure")]
    kept = [full.headings.index(heading) for heading in [*names, *SHORT]]
    rows = [[row[index] for index in kept] for row in full.rows]
    return Table("Differences, and median latency", [full.headings[index] for index in kept], rows)


def _listed(texts: list[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _folded(summary: str, parts: list[str]) -> str:
    return "\n\n".join([f"<details><summary>{summary}</summary>", *parts, "</details>"])
