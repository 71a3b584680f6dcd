"""Compares the last two saved runs of the benchmark suite, and names what has become slower beyond noise.

    python -m tests.benchmarks.regressions .benchmarks

A benchmark is slower, or faster, when the 95 % intervals of its two medians do not overlap and the medians differ by
more than a tenth: less than that the same code differs by from one run to the next on a shared machine. With fewer
rounds than an interval takes there is no verdict; lateness and ratios to peers are held to their targets by the
benchmarks themselves. Exit code 1 when something is slower.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.analysis import units
from harness.statistics import Interval, quantile_interval

NOISE = 1.1


@dataclass(frozen=True)
class Change:
    """One benchmark in both runs; medians in seconds."""

    name: str
    before: Interval
    after: Interval

    @property
    def ratio(self) -> float:
        return self.after.value / self.before.value

    @property
    def verdict(self) -> str:
        if math.isnan(self.before.low) or math.isnan(self.after.low):
            return "too few rounds"
        if self.after.low > self.before.high and self.ratio > NOISE:
            return "slower"
        if self.after.high < self.before.low and self.ratio < 1 / NOISE:
            return "faster"
        return "no difference shown"


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Every benchmark that both runs have, by pytest-benchmark's JSON with data."""
    old = {each["fullname"]: each for each in before["benchmarks"]}
    return [
        Change(each["fullname"], _median(old[each["fullname"]]), _median(each))
        for each in after["benchmarks"]
        if each["fullname"] in old
    ]


def _short(name: str) -> str:
    return name.removeprefix("tests/benchmarks/")


def _median(benchmark: dict[str, Any]) -> Interval:
    found = quantile_interval(benchmark["stats"]["data"], 0.5)
    return found or Interval(benchmark["stats"]["median"], math.nan, math.nan)


def figures(run: dict[str, Any]) -> Table:
    """What the benchmarks found besides their own time: lateness, ratios to peers, cost of a row."""
    table = Table(title="Figures and ratios", box=None, pad_edge=False)
    table.add_column("benchmark")
    table.add_column("found", overflow="fold")
    for each in run["benchmarks"]:
        found = ", ".join(
            f"{name} {units.digits(value) if isinstance(value, float) else value}"
            for name, value in each["extra_info"].items()
        )
        if found:
            table.add_row(escape(_short(each["fullname"])), found)
    return table


def main(folder: Path) -> int:
    saved = sorted(folder.glob("*/*.json"), key=lambda path: path.stat().st_mtime)
    if saved:
        Console(width=140).print(figures(json.loads(saved[-1].read_text())))
    if len(saved) < 2:
        Console().print("Saved. The next run will be compared with this one.")
        return 0
    changes = compare(*(json.loads(path.read_text()) for path in saved[-2:]))
    table = Table(title=f"{saved[-1].stem} against {saved[-2].stem}", box=None, pad_edge=False)
    for heading in ("benchmark", "before", "now", "ratio", "verdict"):
        table.add_column(heading, justify="left" if heading in {"benchmark", "verdict"} else "right")
    for change in changes:
        table.add_row(
            escape(_short(change.name)), units.duration(change.before.value),
            units.duration(change.after.value), units.ratio(change.ratio), change.verdict,
        )  # fmt: skip
    Console(width=140).print(table)
    return int(any(change.verdict == "slower" for change in changes))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
