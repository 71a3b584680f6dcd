"""Which size to take: the cheapest, the fastest and the balanced one, and which others cannot be told from it.

Balanced is what AWS Lambda Power Tuning calls so (lambda/analyzer.js, read 2026-11-24): the least of weight x cost /
highest cost + (1 - weight) x time / longest time, over the sizes that worked. Of equally cheap sizes the faster is
taken, of equally fast ones the cheaper, as there.
"""

from __future__ import annotations

import pandas as pd

from harness.runs import Run
from harness.tuning.blocks import Figures, compare_sizes, noise_floor
from harness.tuning.picture import Picture
from harness.tuning.question import KEY, Goal, Question

GOALS: tuple[Goal, ...] = ("cost", "speed", "balanced")
COLUMNS = [
    "placement", "goal", "arm", "vcpu", "memory_mb", "time_s", "usd_per_million", "as_good", "as_good_because",
    "searched",
]  # fmt: skip


def best(figures: Figures, goal: Goal, weight: float, among: list[str]) -> str | None:
    """The arm of `among` with the least of what the goal makes small; None where none has a figure."""
    values = figures.whole(goal, weight, among)
    second = figures.whole("cost" if goal == "speed" else "speed", weight, among)
    return min(values, key=lambda arm: (values[arm], second.get(arm, 0.0)), default=None)


def choices(picture: Picture) -> pd.DataFrame:
    """One row for each placement and goal that has a size to choose: COLUMNS.

    `as_good` are the other sizes of the placement that could not be told apart from the chosen one: by the ratio in
    each block, as any two arms, or because nothing measured at them could be used; `as_good_because` says why of each,
    in the same order. In a search the chosen size of
    the goal that was searched for is the search's own (`searched`): it compared sizes within blocks.
    """
    found, question, rows = picture.figures, picture.question, []
    for placement in picture.placements:
        working = picture.working(placement)
        for goal in GOALS:
            searched = _searched(picture.run, question, placement, goal)
            arm = searched if searched in working else best(found, goal, question.weight, working)
            if arm is None:
                continue
            alike = _as_good(picture, placement, goal, arm)
            size = picture.sizes.set_index("arm").loc[arm]
            rows.append({
                "placement": placement, "goal": goal, "arm": arm, "vcpu": size["vcpu"], "memory_mb": size["memory_mb"],
                "time_s": size["time_s"], "usd_per_million": size["usd_per_million"], "as_good": tuple(alike),
                "as_good_because": tuple(alike.values()), "searched": arm == searched,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _searched(run: Run, question: Question, placement: str, goal: Goal) -> str | None:
    search = run.manifest[KEY].get("search") or {}
    # With all the weight on one side, balanced is that side alone.
    return (search.get("best") or {}).get(placement) if goal in {question.goal, "balanced"} else None


def _as_good(picture: Picture, placement: str, goal: Goal, arm: str) -> dict[str, str]:
    """Other sizes of which no difference from `arm` may be claimed, with the reason."""
    working = picture.working(placement)
    values = picture.figures.value(goal, picture.question.weight, working)
    floor, seed = noise_floor(picture.run, values), int(picture.run.manifest.get("seed") or 0)
    compared = {other: compare_sizes(values, other, arm, floor, seed) for other in working if other != arm}
    alike = {
        other: each.reason or "in the blocks that they share it was the better one"
        for other, each in compared.items()
        if each.reason or each.ratio.value < 1
    }
    return alike | dict.fromkeys(picture.unjudged(placement), "nothing measured there could be used")
