"""`--fail-on`: by how much a figure may become worse, such as `latency_p50_s > 5%`, before a comparison fails.

As a threshold of k6 or `--benchmark-compare-fail` of pytest-benchmark, but with the interval: it fails where all of it
lies beyond the bound, in a difference that may be claimed at all, and is undecided where only a part does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from harness.analysis.comparison import TOO_FEW
from harness.analysis.records import records
from harness.comparing.figures import BY_NAME
from harness.comparing.ratios import REGRESSION

Judgement = Literal["failed", "passed", "undecided"]
ANY = "any"
COLUMNS = ["fail_on", "run", "phase", "arm", "metric", "judgement", "reason"]
_EXPRESSION = re.compile(r"^\s*(\w+)((?::[^:<>\s]+)*)\s*(?:([<>])\s*([+-]?[\d.]+)\s*%)?\s*$")
EXAMPLES = "'any', 'any:function', 'latency_p50_s > 5%', 'throughput_items_per_s:service:steady < -5%'"


class ThresholdError(ValueError):
    """A `--fail-on` that means nothing, or names what the runs do not have."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric that may become worse by no more than `bound`, a fraction; of any metric, without one, when None.

    `names` are the arms and phases that it is about; all where it has none of a kind.
    """

    text: str
    metric: str | None
    bound: float
    names: tuple[str, ...] = ()


def parse(text: str) -> Threshold:
    """`any`, or `METRIC > N%` for what may not rise and `METRIC < -N%` for what may not fall; ThresholdError."""
    found = _EXPRESSION.match(text)
    if found is None:
        raise ThresholdError(f"got {text!r}; allowed are such as {EXAMPLES}")
    name, filters, operator, number = found.groups()
    names = tuple(part for part in filters.split(":") if part)
    if name == ANY:
        if operator is not None:
            raise ThresholdError(
                f"got {text!r}; 'any' takes no bound: name a metric, one of {', '.join(BY_NAME)}"
            )
        return Threshold(text, None, 0.0, names)
    if name not in BY_NAME:
        raise ThresholdError(f"got metric {name!r}; allowed are {ANY}, {', '.join(BY_NAME)}")
    wanted = ">" if BY_NAME[name].more_is_worse else "<"
    percent = _number(number)
    if operator != wanted or not (0 <= (percent if wanted == ">" else -percent) < math.inf):
        usual = "> 5%" if wanted == ">" else "< -5%"
        raise ThresholdError(
            f"got {text!r}; {name} becomes worse as it {'rises' if wanted == '>' else 'falls'}, so allowed is such as "
            f"'{name} {usual}'"
        )
    if wanted == "<" and percent <= -100:
        raise ThresholdError(f"got {text!r}; nothing falls by 100 % or more, allowed is -0% to -99%")
    return Threshold(text, name, percent / 100, names)


def check_names(thresholds: Sequence[Threshold], arms: Collection[str], phases: Collection[str]) -> None:
    """ThresholdError where a name is neither an arm nor a phase that all the runs have."""
    for threshold in thresholds:
        for name in threshold.names:
            if name not in {*arms, *phases}:
                raise ThresholdError(
                    f"{threshold.text!r}: no arm and no phase {name!r} in all runs; arms are {', '.join(arms)}, "
                    f"phases {', '.join(phases)}"
                )


def judge(ratios: pd.DataFrame, thresholds: Sequence[Threshold]) -> pd.DataFrame:
    """One row for each threshold and each row of `ratios` (with a column `run`) that it is about: COLUMNS.

    `failed`: the whole interval lies beyond the bound, and the row is a regression, so there are 10 blocks and it
    exceeds the noise floor. `passed`: none of it does; of `any`, no regression is shown. Else `undecided`, and so is a
    threshold that no row is about.
    """
    rows: list[tuple[str, ...]] = []
    for threshold in thresholds:
        about = [row for row in records(ratios) if _is_about(threshold, row)]
        rows += [
            (threshold.text, row.run, row.phase, row.arm, row.metric, *_judge(threshold, row))
            for row in about
        ]
        if not about:
            reason = "the runs have no such figure in common"
            rows.append((threshold.text, "", "", "", threshold.metric or ANY, "undecided", reason))
    return pd.DataFrame(rows, columns=COLUMNS)


def _is_about(threshold: Threshold, row: Any) -> bool:
    return threshold.metric in {None, row.metric} and set(threshold.names) <= {row.arm, row.phase}


def _judge(threshold: Threshold, row: Any) -> tuple[Judgement, str]:
    metric = BY_NAME[row.metric]
    if math.isnan(row.ratio):
        return "passed", row.reason
    if row.verdict == TOO_FEW or math.isnan(row.aa_floor):
        return "undecided", row.reason
    if threshold.metric is None:
        return ("failed" if row.verdict == REGRESSION else "passed"), ""
    limit = 1 + threshold.bound
    beyond = row.ratio_low > limit if metric.more_is_worse else row.ratio_high < limit
    within = row.ratio_high <= limit if metric.more_is_worse else row.ratio_low >= limit
    if row.verdict == REGRESSION and beyond:
        return "failed", ""
    if within:
        return "passed", ""
    return "undecided", row.reason or "the bound lies within the interval"


def _number(text: str | None) -> float:
    """NaN, which no range holds, where it is none."""
    try:
        return float(text or "")
    except ValueError:
        return math.nan
