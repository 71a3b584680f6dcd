"""A sweep in plain words: the sizes to take, what failed, and how sure that is."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.analysis.sentences import left_out
from harness.cost.capacity import bursts
from harness.tuning.choice import choices
from harness.tuning.picture import Picture
from harness.tuning.question import KEY, Goal

WORDS: dict[Goal, str] = {"cost": "cheapest", "speed": "fastest", "balanced": "balanced"}

FIGURES: dict[Goal, str] = {"cost": "cost", "speed": "time", "balanced": "the balance"}


def label(size: Any) -> str:
    """512 MB for a function; 0.25 vCPU/512 MB for others. `size` has kind, vcpu and memory_mb."""
    memory = f"{size.memory_mb:,} MB"
    return memory if size.kind == "function" else f"{size.vcpu:g} vCPU/{memory}"


def sentences(picture: Picture) -> list[str]:
    """What a reader should take away: the choice for each placement, what failed, and how sure it is."""
    sizes, chosen = picture.sizes, choices(picture)
    labels = {str(row.arm): label(row) for row in records(sizes)}
    told = []
    for placement in picture.placements:
        own = sizes[sizes["placement"] == placement]
        told.append(_chosen(placement, own, chosen[chosen["placement"] == placement], labels))
        told += _alike(placement, chosen[chosen["placement"] == placement], labels)
        told += [
            f"{placement} at {labels[row.arm]} fails: {row.problem}{f'; {row.needed}' if row.needed else ''}."
            for row in records(own[own["problem"] != ""])
        ]
    told += _waiting(sizes, labels) + _beyond(sizes, labels) + _capacity(picture)
    return [*told, *_search(picture, labels), *left_out(picture.run)]


def _chosen(placement: str, sizes: pd.DataFrame, chosen: pd.DataFrame, labels: dict[str, str]) -> str:
    """The sizes to take, each once, with all that it is."""
    if chosen.empty:
        failing = bool((sizes["problem"] != "").all())
        why = "no size worked" if failing else "nothing that was measured could be used"
        return f"{placement}: {why}, so there is no size to choose."
    each = [
        f"{_and([WORDS[goal] for goal in own['goal']])} at {labels[str(arm)]}, "
        f"{units.duration(own['time_s'].iloc[0])} an item and {units.money(own['usd_per_million'].iloc[0])} a million"
        for arm, own in chosen.groupby("arm", sort=False)
    ]
    return f"{placement}: {'; '.join(each)}."


def _alike(placement: str, chosen: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Claims that are not made: sizes that may be as good, by the reason why nobody can tell."""
    told = []
    for _, own in chosen.groupby(["arm", "as_good", "as_good_because"], sort=False):
        first = next(records(own))
        goals = _and([WORDS[goal] for goal in own["goal"]])
        by_reason: dict[str, list[str]] = {}
        for other, reason in zip(first.as_good, first.as_good_because, strict=True):
            by_reason.setdefault(reason, []).append(labels[other])
        told += [
            f"{placement}: no difference is shown between the {goals} size and {_and(others)}: {reason}."
            for reason, others in by_reason.items()
        ]
    return told


def _and(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
    each = [placement for placement, kind in kinds.items() if kind == "service"]
    if picture.question.basis == "as run" or not each or bursts(picture.run):
        return []
    return [
        f"The scenario has no drop, in which everything is due at once, so what {', '.join(each)} can do at most was "
        "not measured: it is priced at the rate that the handler's time and the CPU share allow, one item after the "
        "other, unless more were done here. --basis as-run prices this load."
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
            f"{measured + len(skipped)} sizes and skipped {len(skipped)}; it takes {FIGURES[picture.question.goal]} to "
            "fall and then to rise over size. Other choices are among those measured."
        )
    for step in search["steps"]:
        if step["reason"] and step["left_out"]:
            told.append(
                f"{step['placement']}: it went on from {labels[step['kept']]} and not from {labels[step['dropped']]} "
                f"without a difference that is shown ({step['reason']}), so a size that it skipped may be as good."
            )
    return told
