"""A comparison of runs: all that is shown of it, computed once from their folders."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.analysis import units
from harness.analysis.cells import phases, usable
from harness.comparing.conditions import Condition, differing
from harness.comparing.ratios import compared_arms, ratios
from harness.comparing.thresholds import Threshold, check_names, judge
from harness.runs import Run


class ComparisonError(ValueError):
    """Runs that cannot be compared."""


@dataclass(frozen=True)
class Comparison:
    """The first of `runs` is the base, and `labels` are what they are called.

    `table` has the columns of `ratios.ratios` after `run`, the label of the other one; `judged` those of
    `thresholds.judge`.
    """

    runs: tuple[Run, ...]
    labels: tuple[str, ...]
    conditions: list[Condition]
    table: pd.DataFrame
    judged: pd.DataFrame
    banners: list[str]
    notes: list[str]

    @property
    def failed(self) -> bool:
        """Whether a threshold says so."""
        return bool((self.judged["judgement"] == "failed").any())


def compare_runs(runs: Sequence[Run], thresholds: Sequence[Threshold] = ()) -> Comparison:
    """Each run against the first.

    ComparisonError unless there are two runs or more that share an arm and a phase; ThresholdError where a threshold
    names what they do not have.
    """
    if len(runs) < 2:
        raise ComparisonError(f"got {len(runs)} run, a comparison takes two or more")
    labels = _labels([run.folder for run in runs])
    shared = [_in_all([names(run) for run in runs]) for names in (compared_arms, phases)]
    for kind, names in zip(("arm", "phase"), shared, strict=True):
        if not names:
            raise ComparisonError(f"{', '.join(labels)}: there is no {kind} that all of them have")
    check_names(thresholds, *shared)
    tables = [ratios(runs[0], run).assign(run=label) for run, label in zip(runs[1:], labels[1:], strict=True)]
    table = pd.concat(tables, ignore_index=True)
    table = table[(table["arm"].isin(shared[0]))]
    table.insert(0, "run", table.pop("run"))
    return Comparison(
        tuple(runs), labels, differing(runs), table, judge(table, thresholds),
        _banners(runs, labels), [*_absent(runs, labels, shared), *_notes(runs, labels, table)],
    )  # fmt: skip


def _labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """The folders' names, or, where these are not told apart, as much of their paths as it takes, or a number."""
    resolved = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in resolved)):
        labels = tuple("/".join(folder.parts[-depth:]) for folder in resolved)
        if len(set(labels)) == len(set(resolved)):
            break
    seen: list[str] = []
    for label in labels:
        seen.append(label if label not in seen else f"{label} ({seen.count(label) + 1})")
    return tuple(seen)


def _in_all(lists: Sequence[list[str]]) -> list[str]:
    return [name for name in lists[0] if all(name in other for other in lists[1:])]


def _banners(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """What speaks against any figure of a run."""
    told = []
    for run, label in zip(runs, labels, strict=True):
        state = run.manifest.get("state")
        if not run.complete:
            told.append(
                f"{label} is {state}: it holds {len(run.attempts):,} attempts, fewer than were planned."
            )
        if (run.manifest.get("engine") or {}).get("name") == "process":
            told.append(f"{label} used no containers: plain processes stood in for them, without CPU limits.")
        if not usable(run):
            told.append(f"{label} is invalid: no cell of some arm and phase could be used.")
    return told


def _absent(runs: Sequence[Run], labels: Sequence[str], shared: Sequence[list[str]]) -> list[str]:
    """Arms and phases that only some of the runs have."""
    told = []
    for run, label in zip(runs, labels, strict=True):
        for kind, names, common in zip(
            ("arm", "phase"), (compared_arms(run), phases(run)), shared, strict=True
        ):
            if only := [name for name in names if name not in common]:
                told.append(f"Not compared, since not all runs have it: {kind} {', '.join(only)} of {label}.")
    return told


# Readers hold a comparison beside a report of the same run, and wonder.
OTHER_FIGURES = (
    "Base and other are medians over blocks (p95 and failures: of all items). A report pools the items of all blocks "
    "and takes the highest memory of any, so its figures of the same run are somewhat different."
)


def _notes(runs: Sequence[Run], labels: Sequence[str], table: pd.DataFrame) -> list[str]:
    """How far to trust what follows."""
    told = []
    for run, label in zip(runs[1:], labels[1:], strict=True):
        if run.manifest == runs[0].manifest:
            told.append(f"{label} and {labels[0]} are the same run.")
            continue
        told.append(
            f"{label} and {labels[0]} were made at different times{_apart(runs[0], run)} and share no blocks: "
            "whatever the machine drifted in between is part of each difference, and no A/A arm can show that."
        )
    paired = table["paired"][table["metric"] != "error_rate"]
    if paired.any():
        how = "Blocks" if paired.all() else f"For {int(paired.sum())} of {len(paired)} figures blocks"
        told.append(
            f"{how} of the same number were given the same items and are compared in pairs, so that the mix of items "
            "is no part of the difference."
        )
    return [*told, OTHER_FIGURES]


def _apart(base: Run, other: Run) -> str:
    begun = [run.manifest.get("started_utc") for run in (base, other)]
    try:
        first, second = (datetime.datetime.fromisoformat(str(text)) for text in begun)
        return f" ({units.duration(abs((second - first).total_seconds()))} apart)"
    except (TypeError, ValueError):
        return ""
