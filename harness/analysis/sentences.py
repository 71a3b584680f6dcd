"""The result in plain words: the verdict first, then how sure it is and what it does not say."""

from __future__ import annotations

import pandas as pd

from harness.analysis import units
from harness.analysis.cells import arms, phases, validity
from harness.analysis.comparison import LATENCY, NO_DIFFERENCE, TOO_FEW, compare
from harness.analysis.own import overhead
from harness.analysis.records import records
from harness.analysis.steadiness import steadiness
from harness.analysis.summary import cold_and_warm, summarise
from harness.runs import Run
from harness.statistics import min_count


def sentences(run: Run) -> list[str]:
    """What a reader should take away; never empty."""
    summary = summarise(run)
    if summary.empty or not summary["ok"].sum():
        return left_out(run) or ["No item was finished, so there is nothing to compare."]
    compared = compare(run)
    told = [_phase(run, summary, phase) for phase in phases(run) if (summary["phase"] == phase).any()]
    told += _failures(summary)
    told += _cold(run)
    told += _unsteady(run)
    told += _noise(run, compared)
    return [*told, *left_out(run), *_own_cost(run)]


def left_out(run: Run) -> list[str]:
    """How many cells are invalid, and why the first of them is."""
    checked = validity(run)
    count = int((~checked["valid"]).sum())
    if not count:
        return []
    first = checked.loc[~checked["valid"], "reason"].iloc[0]
    return [
        f"{count} of {len(checked)} cells (a phase of an arm in one block) were left out; the first because {first}."
    ]


def _phase(run: Run, summary: pd.DataFrame, phase: str) -> str:
    """Who answered first in a phase, and by how much the others took longer."""
    duplicates = {arm for arm, about in arms(run).items() if about.get("duplicate_of")}
    rows = summary[(summary["phase"] == phase) & (summary["ok"] > 0) & ~summary["arm"].isin(duplicates)]
    if rows.empty:
        return f"In phase {phase} no item was finished."
    few = rows[rows["latency_p50_s"].isna()]
    ranked = rows.drop(few.index).sort_values("latency_p50_s")
    if ranked.empty:
        counts = ", ".join(f"{row.ok} by {row.arm}" for row in records(few))
        return f"Phase {phase}: too few items were done for a median, which takes {min_count(0.5)}: {counts}."
    best = ranked.iloc[0]
    opening = (
        f"Phase {phase}: the median item was done in {units.duration(best['latency_p50_s'])} by {best['arm']}"
    )
    against = compare(run, str(best["arm"]))
    against = against[(against["phase"] == phase) & (against["metric"] == LATENCY.name)].set_index("arm")
    others = [_other(against.loc[arm], arm) for arm in ranked["arm"].iloc[1:] if arm in against.index]
    others += [
        f"{row.arm} did {units.many(row.ok, 'item')}, and a median takes {min_count(0.5)}"
        for row in records(few)
    ]
    return "; ".join([opening, *others]) + "."


def _other(row: pd.Series, arm: str) -> str:
    """One arm against the quickest."""
    if pd.isna(row["ratio"]):
        return f"{arm} is not compared, as no valid block has both"
    blocks = units.many(int(row["blocks"]), "block")
    # One block has no interval.
    interval = (
        "" if pd.isna(row["ratio_low"])
        else f"{units.ratio(row['ratio_low'])} to {units.ratio(row['ratio_high'])}, "
    )  # fmt: skip
    figure = f"{units.ratio(row['ratio'])} times as long ({interval}{blocks})"
    if row["verdict"] == TOO_FEW:
        return f"{arm} took {figure}, which is no claim yet: {row['reason']}"
    if row["verdict"] == NO_DIFFERENCE:
        return f"{arm} took {figure}, so no difference is shown: {row['reason']}"
    return f"{arm} took {figure}"


def _failures(summary: pd.DataFrame) -> list[str]:
    lost = summary[summary["failed"] + summary["dropped"] > 0]
    return [
        f"{row.arm} failed {row.failed + row.dropped} of {row.planned} items in phase {row.phase}."
        for row in records(lost)
    ]


def _cold(run: Run) -> list[str]:
    """What a cold start cost, for arms that have both populations."""
    table = cold_and_warm(run)
    told = []
    for arm, about in arms(run).items():
        own = table[table["arm"] == arm]
        cold, warm = own[own["cold"]], own[~own["cold"]]
        if about.get("duplicate_of") or cold.empty or warm.empty:
            continue
        count = int(cold["items"].sum())
        whole_s = cold["create_mean_s"] + cold["start_mean_s"] + cold["init_mean_s"]
        mean_s = float((whole_s * cold["items"]).sum()) / count
        told.append(
            f"A cold start of {arm} took {units.duration(mean_s)} on this machine at the mean "
            f"(creating, starting and loading the code), {count} times."
        )
    return told


def _unsteady(run: Run) -> list[str]:
    """Arms whose items kept getting quicker or slower, and machines that drifted."""
    found = steadiness(run)
    found = found[~found["verdict"].isin(["flat", "too few"])]
    told = []
    for row in records(found):
        what = "from item to item of a block" if row.along == "items" else "from block to block"
        since = f", steady from number {row.steady_from + 1} on" if row.verdict == "warm-up" else ""
        told.append(f"{row.arm} was not steady in phase {row.phase}, {what}: {row.verdict}{since}.")
    return told


def _own_cost(run: Run) -> list[str]:
    """What the harness used itself, and what it adds to an attempt."""
    own = run.manifest.get("own_cost") or {}
    length_s = (run.attempts["done_ns"].max() - run.attempts["due_ns"].min()) / 1e9
    known = [(name, own.get(f"{name}_cpu_s")) for name in ("driver", "sampler", "view")]
    parts = ", ".join(
        f"{name} {units.percent(cpu_s / length_s)}" for name, cpu_s in known if cpu_s is not None
    )
    whole_s = own.get("harness_cpu_s")
    if whole_s is None or not parts:
        return []
    added = overhead(run)
    each = ", ".join(
        f"{units.duration(row.overhead_p50_s)} by {row.arm} ({row.start})" for row in records(added)
    )
    adds = f"; an attempt that does nothing took {each}" if each else ""
    return [f"The harness itself used {units.percent(whole_s / length_s)} of a core ({parts}){adds}."]


def _noise(run: Run, compared: pd.DataFrame) -> list[str]:
    floors = (
        compared.loc[compared["metric"] == LATENCY.name, ["phase", "aa_floor"]].drop_duplicates().dropna()
    )
    if floors.empty and any(about.get("duplicate_of") for about in arms(run).values()):
        return ["The A/A arm has too few blocks to tell the noise floor, so no difference is claimed."]
    if floors.empty:
        return ["There was no A/A arm, so the noise floor is unknown and no difference is claimed."]
    each = ", ".join(f"{units.percent(row.aa_floor)} in {row.phase}" for row in records(floors))
    return [
        f"Noise floor: two identical arms differed by up to {each} (median latency); less is no difference."
    ]
