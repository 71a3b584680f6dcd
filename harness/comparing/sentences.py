"""What came out of a comparison, in the sentences that every output gives first place to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.analysis.records import records
from harness.comparing.comparison import Comparison
from harness.comparing.figures import BY_NAME
from harness.comparing.ratios import IMPROVEMENT, REGRESSION
from harness.comparing.tables import factor_text

# So many differences of each kind are named; the tables have all of them.
NAMED = 3


def sentences(comparison: Comparison) -> list[str]:
    """How many differences each run has, the largest of them by name, and what the thresholds say."""
    told: list[str] = []
    for label in comparison.labels[1:]:
        own = comparison.table[comparison.table["run"] == label]
        worse, better = (own[own["verdict"] == verdict] for verdict in (REGRESSION, IMPROVEMENT))
        told.append(
            f"{label} against {comparison.labels[0]}: {_count(len(worse), 'regression')}, "
            f"{_count(len(better), 'improvement')}, and {len(own) - len(worse) - len(better)} of {len(own)} figures "
            "without a difference shown."
        )
        told += _largest("Worst", worse)
        told += _largest("Best", better)
    return [*told, *_thresholds(comparison)]


def _largest(word: str, rows: pd.DataFrame) -> Iterator[str]:
    """Those farthest from 1, whichever way: half as fast is as bad as twice as long."""
    if rows.empty:
        return
    with np.errstate(divide="ignore"):
        distance = np.log(rows["ratio"]).abs()
    picked = rows.loc[distance.sort_values(ascending=False, kind="stable").index[:NAMED]]
    named = [
        f"{row.arm}, {row.phase}: {BY_NAME[row.metric].title} {factor_text(row)}" for row in records(picked)
    ]
    yield f"{word}: {'; '.join(named)}."


def _thresholds(comparison: Comparison) -> Iterator[str]:
    if comparison.judged.empty:
        return
    counted = comparison.judged["judgement"].value_counts()
    parts = [f"{counted[each]} {each}" for each in ("failed", "undecided", "passed") if each in counted]
    word = next(each for each in ("failed", "undecided", "passed") if each in counted)
    yield f"--fail-on {word}; of {_count(len(comparison.judged), 'check')}: {', '.join(parts)}."


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
