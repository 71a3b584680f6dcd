"""A run as a cost model: for each arm what an item and a month take, as measured and as its blocks allow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.once import once
from harness.cost import batch, common, function, service
from harness.cost.arms import Arm, arms_of
from harness.cost.book import PriceError, book_of
from harness.cost.capacity import Task, Utilisation, bursts, task_of, utilisation
from harness.cost.curve import Curve, line, total
from harness.cost.demand import Demand
from harness.cost.figures import BlockSums, Figures, block_sums, draws
from harness.cost.measured import cell_sums
from harness.cost.terms import Terms
from harness.runs import Run


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """A way to do the work: an arm as it was run."""

    arm: Arm
    sums: BlockSums
    figures: Figures
    task: Task | None = None
    utilisation: Utilisation | None = None

    @property
    def name(self) -> str:
        """The arm's."""
        return self.arm.name

    @property
    def infeasible(self) -> str:
        """The objective that it meets at no load, as far as the queue of its tasks tells; empty where there is none."""
        return self.utilisation.infeasible if self.utilisation else ""


@dataclass(eq=False)
class CostModel:
    """The options of a run on some terms. `unpriced` maps the other arms to what stands in the way.

    Of these `infeasible` are the ones that no number of tasks makes meet an objective, and which.
    """

    run: Run
    terms: Terms
    seed: int = 1
    unpriced: dict[str, str] = field(default_factory=dict)
    infeasible: dict[str, str] = field(default_factory=dict)
    _slower: dict[tuple[Option, float], Option] = field(default_factory=dict, repr=False)
    _over_duration: dict[float, dict[str, list[Curve]]] = field(default_factory=dict, repr=False)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """What the valid cells took: see `measured.cell_sums`."""
        return cell_sums(self.run, self.terms.speed_factor)

    @cached_property
    def arms(self) -> list[Arm]:
        """Every arm but A/A duplicates."""
        return arms_of(self.run)

    @cached_property
    def options(self) -> list[Option]:
        """Every arm that finished an item in a valid cell and has prices, in the manifest's order."""
        found = []
        for arm in self.arms:
            sums = block_sums(arm, self.cells, bursts(self.run))
            if sums is None:
                self.unpriced[arm.name] = "it finished no item in a valid cell"
                continue
            option = self._option(arm, sums)
            if option.infeasible:
                self.infeasible[arm.name] = option.infeasible
                self.unpriced[arm.name] = f"even an idle task misses {option.infeasible}"
                continue
            try:
                priced = bool(np.isfinite(self.curve(option)(1.0)))
            except (PriceError, ValueError) as error:
                self.unpriced[arm.name] = str(error)
                continue
            if priced:
                found.append(option)
            else:
                self.unpriced[arm.name] = "no container of it was seen to start and to end"
        return found

    def option(self, name: str) -> Option:
        """By the arm's name; KeyError where it has no price."""
        return {each.name: each for each in self.options}[name]

    def demands(self, option: Option, figures: Figures | None = None, arm: Arm | None = None) -> list[Demand]:
        """What a month takes, at the figures as measured unless others are given."""
        own = figures or option.figures
        return [*self.own_demands(arm or option.arm, own, option.utilisation), *common.demands(self.run, own)]

    def own_demands(
        self, arm: Arm, figures: Figures, used: Utilisation | None, collect_s: float | None = None
    ) -> list[Demand]:
        """Without what is common to all placements. ValueError or PriceError where something has no price."""
        if arm.kind == "function":
            return function.demands(arm, figures)
        if arm.kind == "batch":
            return batch.demands(arm, figures, self.terms.shape, collect_s)
        assert used is not None
        carried = service.Carrying(figures.rate_per_s, used.share, used.why)
        return service.demands(arm, figures, carried, self.terms.shape)

    def curve(self, option: Option, figures: Figures | None = None) -> Curve:
        """US dollars a month over items a month; no number where the option meets an objective at no load."""
        if option.infeasible:
            return line(np.nan, 0.0)
        return total([each.over_items(self.terms) for each in self.demands(option, figures)])

    def most_times(self, option: Option) -> float:
        """How many times as long as here its items may take; infinite where nothing ends them."""
        if option.arm.kind != "function":
            return math.inf
        return function.most_times(self.run, option.arm, self.terms.speed_factor)

    def duration_curve(self, option: Option, items: float, figures: Figures | None = None) -> Curve:
        """US dollars a month over the duration of an item, as a multiple of what was measured."""
        return total([each.over_duration(self.terms, items) for each in self.demands(option, figures)])

    def resampled(self) -> Iterator[tuple[NDArray[np.float64], dict[str, Figures]]]:
        """How often each block (ascending) is drawn, and the figures of every option over these blocks."""
        numbers = self.blocks
        if numbers.size < 2:
            return
        seen = {each.name: np.isfinite(each.figures.start_s) for each in self.options}
        for weights in draws(numbers.size, self.seed):
            drawn = {
                each.name: each.sums.figures(weights[np.searchsorted(numbers, each.sums.blocks)])
                for each in self.options
            }
            if all(
                np.isfinite(figures.bytes_out) and (np.isfinite(figures.start_s) or not seen[name])
                for name, figures in drawn.items()
            ):
                yield weights, drawn

    @property
    def blocks(self) -> NDArray[np.int64]:
        """The numbers of those in which an option did anything."""
        return np.unique([int(block) for each in self.options for block in each.sums.blocks]).astype(np.int64)

    @cached_property
    def all_draws(self) -> list[tuple[NDArray[np.float64], dict[str, Figures]]]:
        """All of `resampled`."""
        return list(self.resampled())

    @property
    def drawn(self) -> list[dict[str, Figures]]:
        """The figures of every option, draw by draw."""
        return [drawn for _, drawn in self.all_draws]

    @cached_property
    def weights(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The blocks, and how often each was drawn: shape (draws, blocks)."""
        rows = [weights for weights, _ in self.all_draws]
        return self.blocks, np.array(rows).reshape(len(rows), self.blocks.size)

    @cached_property
    def drawn_curves(self) -> dict[str, list[Curve]]:
        """Of each option the curve of every draw."""
        return {
            each.name: [self.curve(each, figures[each.name]) for figures in self.drawn]
            for each in self.options
        }

    def drawn_duration_curves(self, items: float) -> dict[str, list[Curve]]:
        """Of each option the `duration_curve` of every draw."""
        if items not in self._over_duration:
            self._over_duration[items] = {
                each.name: [self.duration_curve(each, items, figures[each.name]) for figures in self.drawn]
                for each in self.options
            }
        return self._over_duration[items]

    def slower(self, option: Option, factor: float) -> Option:
        """An option with every second times `factor`: items that take longer, or an AWS that is slower."""
        if factor == 1:
            return option
        if (option, factor) not in self._slower:
            used = self._utilisation(option.arm, option.task, factor)
            slowed = replace(option, figures=option.figures.slower(factor), utilisation=used)
            self._slower[option, factor] = slowed
        return self._slower[option, factor]

    def on(self, **changes: Any) -> CostModel:
        """The same figures on other terms; another speed takes a model of its own.

        TypeError if the speed is to change.
        """
        if "speed_factor" in changes:
            raise TypeError("another speed_factor changes the figures: make a CostModel of it")
        terms = replace(self.terms, **changes)
        if terms == self.terms:
            return self
        # What was taken does not depend on what it costs.
        other = CostModel(self.run, terms, self.seed, _slower=self._slower)
        kept = {"cells": self.cells, "options": self.options, "all_draws": self.all_draws}
        other.unpriced |= self.unpriced
        other.infeasible |= self.infeasible
        other.__dict__.update(kept)
        return other

    def _option(self, arm: Arm, sums: BlockSums) -> Option:
        figures = sums.figures()
        task = task_of(self.run, arm, figures, self.terms.speed_factor) if arm.kind == "service" else None
        return Option(arm, sums, figures, task, self._utilisation(arm, task, 1.0))

    def _utilisation(self, arm: Arm, task: Task | None, slower: float) -> Utilisation | None:
        return utilisation(self.run, arm, task, self.terms.speed_factor * slower) if task else None


def carrying(option: Option) -> service.Carrying:
    """What a task of a service carries, as it is planned."""
    assert option.utilisation is not None
    return service.Carrying(option.figures.rate_per_s, option.utilisation.share, option.utilisation.why)


@once
def cost_model(run: Run) -> CostModel:
    """On the scenario's own terms: its region, prices and speed factor; without the free tier, evenly all month."""
    scenario = run.manifest.get("scenario") or {}
    terms = Terms(book_of(run.manifest), float(scenario.get("speed_factor") or 1.0))
    return CostModel(run, terms, int(run.manifest.get("seed") or 0))


@once
def model_of_every_arm(run: Run) -> CostModel:
    """The same, with A/A duplicates as arms of their own."""
    arms = {name: about | {"duplicate_of": None} for name, about in (run.manifest.get("arms") or {}).items()}
    return cost_model(replace(run, manifest=run.manifest | {"arms": arms}))
