"""Which sizes run in which blocks: all in all of them, or, in a search, those that it asks for, round after round.

Every round is some blocks of the one run, shuffled as all blocks are. A round compares two sizes of each placement; one
of them was in the round before, so that both are always compared within the same blocks, whatever the machine did in
between.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from harness import plan
from harness.engines.base import EngineError
from harness.rows import Outcome
from harness.runs import Run, RunWriter
from harness.session.sizing import Sizing
from harness.statistics import Interval
from harness.tuning.blocks import Comparison, Figures, compare_sizes, figures, noise_floor
from harness.tuning.failing import problems
from harness.tuning.question import KEY, Question
from harness.tuning.search import FEWEST_TO_SEARCH, fibonacci_search
from harness.tuning.sweep import Sweep

# A pair without a valid block in common tells nothing, so its round is repeated; not for ever, on a noisy machine.
MOST_REPEATS = 2


class SweepSizing(Sizing):
    """All sizes in every block; one at which nothing works is not tried again."""

    def __init__(self, sweep: Sweep, question: Question) -> None:
        super().__init__(sweep.scenario, None, None)
        self.sweep, self.question = sweep, question
        self._given_up: dict[str, str] = {}
        self._could_not_run: dict[str, str] = {}

    def manifest(self) -> dict[str, Any]:
        """What is known of the sweep, for the manifest: its sizes, the question, and what it found on the way."""
        return {
            KEY: {
                "arms": self.sweep.told(),
                "question": self.question.told(),
                "given_up": self._given_up,
                "could_not_run": self._could_not_run,
                "search": None,
            }
        }

    def calibrated(self, arms: Sequence[plan.Arm]) -> Sequence[plan.Arm]:
        """The largest size of each placement: small ones may not work at all."""
        names = {self.sweep.of(placement)[-1].name for placement in self.sweep.placements}
        return [arm for arm in arms if arm.name in names]

    def chosen(self) -> Collection[str] | None:
        """Every size that has not been given up."""
        return self._with_duplicate({arm.name for arm in self.sweep.arms})

    def could_not_run(self, arm: str, error: EngineError) -> None:
        """It is a size that fails, and is not tried again."""
        self._could_not_run[arm] = self._given_up[arm] = str(error)

    def after_block(self, writer: RunWriter, done: int) -> None:
        """Give up those of which no item of the block was done."""
        super().after_block(writer, done)
        writer.flush()
        run = Run.load(writer.folder)
        rows = run.attempts[run.attempts["block"] == done - 1]
        good = rows["outcome"].eq(Outcome.OK).groupby(rows["arm"].astype(str)).any()
        for arm in good.index[~good.to_numpy(dtype=bool)]:
            self._given_up.setdefault(str(arm), f"no item was done in block {done - 1}")
        self._after(run, done)
        writer.update(**self.manifest())

    def _after(self, run: Run, done: int) -> None:
        """What a block changes for the next; `run` is all there is so far."""

    def _with_duplicate(self, names: set[str]) -> set[str]:
        """Without those given up, and with the A/A arm wherever its original is."""
        names = names - set(self._given_up)
        aa = self.sweep.scenario.aa
        return names | ({f"{aa}-aa"} - set(self._given_up) if aa in names else set())


class _Search:
    """The search over the sizes of one placement; `ends` are measured beside its first pair."""

    def __init__(self, placement: str, arms: list[str], ends: tuple[str, ...]) -> None:
        self.placement, self.arms, self.ends = placement, arms, ends
        self.pair: tuple[str, str] | None = None
        self.best: str | None = None
        self.possible = arms
        self.measured: set[str] = set()
        self._repeats = 0
        self._search = fibonacci_search(len(arms))
        self._take(None)

    def wanted(self) -> set[str]:
        """What the next round has to measure."""
        return {*(self.pair or ()), *self.ends}

    def again(self) -> bool:
        """Whether a round of which nothing could be used is done again."""
        self._repeats += 1
        return self._repeats <= MOST_REPEATS

    def tell(self, left_is_better: bool) -> list[str]:
        """Take the outcome of a round; returns the sizes that are left out because of it, and were never measured."""
        assert self.pair is not None, "there is a round only while there is a pair"
        left, right = (self.arms.index(arm) for arm in self.pair)
        kept = self.arms[:right] if left_is_better else self.arms[left + 1 :]
        left_out = [arm for arm in self.possible if arm not in kept and arm not in self.measured]
        self.possible = [arm for arm in self.possible if arm in kept]
        self.ends, self._repeats = (), 0
        self._take(left_is_better)
        return left_out

    def _take(self, answer: bool | None) -> None:
        try:
            left, right = next(self._search) if answer is None else self._search.send(answer)
            self.pair = self.arms[left], self.arms[right]
        except StopIteration as found:
            self.pair, self.best = None, self.arms[found.value]


class SearchSizing(SweepSizing):
    """A round of blocks for each step of the search, over the sizes of all placements at once."""

    def __init__(self, sweep: Sweep, question: Question) -> None:
        super().__init__(sweep, question)
        self._round_blocks = sweep.scenario.blocks
        self._steps: list[dict[str, Any]] = []
        self._figures: Figures | None = None
        self._searches: list[_Search] = []
        for placement in sweep.placements:
            names = [arm.name for arm in sweep.of(placement)]
            if len(names) >= FEWEST_TO_SEARCH:
                # The balance is over the highest cost and the longest time, and unimodal ones are highest at an end.
                ends = (names[0], names[-1]) if question.goal == "balanced" else ()
                self._searches.append(_Search(placement, names, ends))
        searched = {search.placement for search in self._searches}
        self._at_once = {arm.name for arm in sweep.arms if arm.placement not in searched}
        self._now = self._wanted() | self._at_once

    def manifest(self) -> dict[str, Any]:
        """With the steps of the search, and what it left out."""
        told = super().manifest()
        told[KEY]["search"] = {
            "best": {search.placement: search.best for search in self._searches if search.best},
            "skipped": {
                search.placement: [arm for arm in search.arms if arm not in search.measured]
                for search in self._searches
            },
            "steps": self._steps,
        }
        return told

    def chosen(self) -> Collection[str] | None:
        """What this round measures."""
        return self._with_duplicate(self._now)

    def _wanted(self) -> set[str]:
        return {arm for search in self._searches for arm in search.wanted()}

    def _after(self, run: Run, done: int) -> None:
        """At the end of a round, take a step; there is another round while a placement has one to take."""
        for search in self._searches:
            search.measured |= search.wanted()
        if done < self.blocks:
            return
        wrong = problems(run)
        self._figures = found = figures(run, self.question, self._figures)
        for search in self._searches:
            if search.pair:
                self._step(run, search, wrong, found)
        self._now = self._wanted()
        if any(search.pair for search in self._searches):
            self.blocks += self._round_blocks

    def _step(self, run: Run, search: _Search, wrong: dict[str, str], found: Figures) -> None:
        """Compare the pair, go on from the better one, and note on what that rests."""
        assert search.pair is not None, "only a search that goes on takes a step"
        left, right = search.pair
        if left in wrong or right in wrong:
            # Where both fail the larger is the way out: what is short of memory or time needs more.
            ratio = math.inf if left in wrong else 0.0
            compared = Comparison(Interval(ratio, math.nan, math.nan), 0, "")
        else:
            working = [arm for arm in search.arms if arm in search.measured and arm not in wrong]
            values = found.value(self.question.goal, self.question.weight, working)
            compared = compare_sizes(values, left, right, noise_floor(run, values), self.sweep.scenario.seed)
            if not compared.blocks and search.again():
                return
        left_is_better = compared.ratio.value < 1
        left_out = search.tell(left_is_better)
        self._steps.append({
            "placement": search.placement, "left": left, "right": right,
            "kept": left if left_is_better else right, "dropped": right if left_is_better else left,
            "ratio": _finite(compared.ratio.value), "ratio_low": _finite(compared.ratio.low),
            "ratio_high": _finite(compared.ratio.high), "blocks": compared.blocks, "reason": compared.reason,
            "left_out": left_out,
        })  # fmt: skip


def _finite(value: float) -> float | None:
    """JSON has no infinity: a size that failed has no ratio."""
    return value if math.isfinite(value) else None
