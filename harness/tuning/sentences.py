"""A sweep in plain words: the sizes to take, what failed, and how sure that is."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.tuning.choice import choices
from harness.tuning.picture import Picture
from harness.tuning.question import KEY, Goal

WORDS: dict[Goal, str] = {"cost": "cheapest", "speed": "fastest", "balanced": "balanced"}


def label(size: Any) -> str:
    """512 MB for a function; 0.25 vCPU, 512 MB for others. `size` has kind, vcpu and memory_mb."""
    memory = f"{size.memory_mb:,} MB"
    return memory if size.kind == "function" else f"{size.vcpu:g} vCPU, {memory}"


def sentences(picture: Picture) -> list[str]:
    """What a reader should take away: the choice for each placement, what failed, and how sure it is."""
    sizes, chosen = picture.sizes, choices(picture)
    labels = {str(row.arm): label(row) for row in records(sizes)}
    told = []
    for placement in picture.placements:
        own = chosen[chosen["placement"] == placement]
        if own.empty:
            told.append(f"{placement}: no size worked, so there is none to choose.")
        else:
            told.append(f"{placement}: {'; '.join(_choice(row, labels, picture) for row in records(own))}.")
        told += _alike(placement, own, labels)
        for row in records(sizes[(sizes["placement"] == placement) & (sizes["problem"] != "")]):
            told.append(
                f"{placement} at {labels[row.arm]} fails: {row.problem}{f'; {row.needed}' if row.needed else ''}."
            )
    told += _waiting(sizes, labels) + _beyond(sizes, labels) + _capacity(picture)
    return told + _search(picture, labels)


def _choice(row: Any, labels: dict[str, str], picture: Picture) -> str:
    weight = f" (cost weighs {picture.question.weight:g})" if row.goal == "balanced" else ""
    return (
        f"{WORDS[row.goal]}{weight} at {labels[row.arm]}, {units.duration(row.time_s)} an item and "
        f"{units.money(row.usd_per_million)} a million"
    )


def _alike(placement: str, own: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Claims that are not made: sizes that may be as good, with the reasons that hold for most of them."""
    told = []
    for row in records(own):
        if row.as_good:
            others = ", ".join(labels[arm] for arm in row.as_good)
            reasons = "; ".join(dict.fromkeys(row.as_good_because))
            told.append(
                f"No difference is shown between the {WORDS[row.goal]} size of {placement} and {others}: {reasons}."
            )
    return told


def _waiting(sizes: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Sizes that did not keep up with what arrived."""
    slow = sizes[(sizes["queue_share"] > 0.5) & (sizes["kind"] != "batch")]
    each = [f"{row.placement} at {labels[row.arm]}" for row in records(slow)]
    if not each:
        return []
    return [
        f"More than half of an item's time was waiting for a free container with {', '.join(each)}: there were too few "
        "for this load. --time handler compares the work alone."
    ]


def _beyond(sizes: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    each = [f"{row.placement} at {labels[row.arm]}" for row in records(sizes[sizes["beyond_machine"]])]
    return (
        [f"This machine has too few cores for {', '.join(each)}: there they may be faster."] if each else []
    )


def _capacity(picture: Picture) -> list[str]:
    """A service's price when busy takes a phase that keeps it busy."""
    kinds = dict(zip(picture.sizes["placement"], picture.sizes["kind"], strict=True))
    phases = (picture.run.manifest.get("scenario") or {}).get("phases") or []
    each = [placement for placement, kind in kinds.items() if kind == "service"]
    if picture.question.basis == "as run" or not each or any(p["arrivals"]["kind"] == "drop" for p in phases):
        return []
    return [
        f"The scenario has no drop, in which everything is due at once, so what {', '.join(each)} can do at most was "
        "not measured: its cost is that of this load."
    ]


def _search(picture: Picture, labels: dict[str, str]) -> list[str]:
    """How a search went: what it left out, and which of its steps rest on no shown difference."""
    search = picture.run.manifest[KEY].get("search")
    if not search:
        return []
    told = []
    for placement, skipped in search["skipped"].items():
        measured = int((picture.sizes["placement"] == placement).sum())
        told.append(
            f"The search for the {WORDS[picture.question.goal]} size of {placement} measured {measured} of "
            f"{measured + len(skipped)} sizes and skipped {len(skipped)}; it takes {picture.question.goal} to fall and "
            "then to rise over size."
        )
    for step in search["steps"]:
        if step["reason"] and step["left_out"]:
            told.append(
                f"{step['placement']}: it went on from {labels[step['kept']]} and not from {labels[step['dropped']]} "
                f"without a difference that is shown ({step['reason']}), so a size that it skipped may be as good."
            )
    return told
