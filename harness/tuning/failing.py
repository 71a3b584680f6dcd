"""Sizes at which the work does not work, and the memory that it would take."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run
from harness.tuning.question import KEY

MIB = 2**20
OUT_OF_MEMORY, TIMED_OUT, NOTHING_DONE = "out of memory", "timed out", "no item was done"
NOT_STARTED = "could not be started"


@dataclass(frozen=True, slots=True)
class Need:
    """The memory that a size would have needed: measured, or only bounded from below (`more_than`)."""

    memory_bytes: float
    more_than: bool
    text: str


def problems(run: Run) -> dict[str, str]:
    """What is wrong with each arm at which something failed for its size; those that worked are missing.

    One attempt that was killed for its memory, or that timed out, is enough, in whatever phase and try: a size that
    holds most items does not hold the work. Other failures are the workload's own, and are only counted.
    """
    tries = run.attempts[run.attempts["block"] > NO_BLOCK]
    counts = pd.crosstab(tries["arm"].astype(str), tries["outcome"].astype(str))
    killed = _killed(run)
    not_started = (run.manifest.get(KEY) or {}).get("could_not_run") or {}
    found = {}
    for arm in run.manifest.get("arms") or {}:
        own = counts.loc[arm] if arm in counts.index else pd.Series(dtype="int64")
        if own.get(Outcome.OUT_OF_MEMORY, 0) or arm in killed:
            found[arm] = OUT_OF_MEMORY
        elif own.get(Outcome.TIMEOUT, 0):
            found[arm] = TIMED_OUT
        elif arm in not_started:
            found[arm] = NOT_STARTED
        elif own.sum() and not own.get(Outcome.OK, 0):
            found[arm] = NOTHING_DONE
    return found


def memory_peaks(run: Run) -> dict[str, float]:
    """The highest memory of a container of each arm, in bytes; those without a reading are missing."""
    tries = run.attempts[run.attempts["block"] > NO_BLOCK]
    of_tries = tries.groupby(tries["arm"].astype(str))["memory_peak_bytes"].max()
    samples = run.samples[(run.samples["container"] != "host") & (run.samples["block"] > NO_BLOCK)]
    of_samples = samples.groupby(samples["arm"].astype(str))["memory_peak_bytes"].max()
    both = pd.concat([of_tries, of_samples], axis=1).max(axis=1).dropna()
    return {str(arm): float(value) for arm, value in both.items()}


def needs(
    sizes: Mapping[str, Mapping[str, Any]], wrong: Mapping[str, str], measured: set[str], peaks: Mapping[str, float]
) -> dict[str, Need]:  # fmt: skip
    """What each arm that ran out of memory would have needed.

    `sizes` as in `question.sized_arms`; `measured` are the arms that ran. It is the peak at the smallest memory of the
    same placement that worked; page cache counts in it, so it is what certainly suffices, not the least that might.
    """
    found = {}
    for arm in (name for name, problem in wrong.items() if problem == OUT_OF_MEMORY and name in sizes):
        own = [
            name for name, size in sizes.items() if size["placement"] == sizes[arm]["placement"] and name in measured
        ]  # fmt: skip
        worked = [
            name for name in own if name not in wrong and sizes[name]["memory_mb"] > sizes[arm]["memory_mb"]
        ]
        failed_mb = max(sizes[name]["memory_mb"] for name in own if wrong.get(name) == OUT_OF_MEMORY)
        found[arm] = _need(sizes, worked, sizes[arm]["memory_mb"], failed_mb, peaks)
    return found


def _need(
    sizes: Mapping[str, Mapping[str, Any]],
    worked: list[str],
    own_mb: int,
    failed_mb: int,
    peaks: Mapping[str, float],
) -> Need:
    if not worked:
        return Need(failed_mb * MIB, True, f"needs more than {failed_mb:,} MB")
    enough = min(worked, key=lambda name: sizes[name]["memory_mb"])
    enough_mb, peak = sizes[enough]["memory_mb"], peaks.get(enough)
    if peak is None or peak <= own_mb * MIB:
        return Need(own_mb * MIB, True, f"needs more than {own_mb:,} MB; {enough_mb:,} MB worked")
    return Need(peak, False, f"needs {math.ceil(peak / MIB):,} MB, the peak at {enough_mb:,} MB")


def _killed(run: Run) -> set[str]:
    """Arms of which the kernel killed a container for its memory, also one that no item had reached yet."""
    ended = run.events[(run.events["kind"] == "container_ended") & (run.events["block"] > NO_BLOCK)]
    told = ended["detail"].map(lambda detail: bool(detail) and bool(json.loads(detail).get("out_of_memory")))
    return set(ended.loc[told.to_numpy(dtype=bool), "arm"].astype(str))
