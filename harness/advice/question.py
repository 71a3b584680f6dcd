"""What is asked: for which load, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.cost.book import book_of
from harness.cost.model import CostModel, cost_model
from harness.cost.month import load_of
from harness.cost.terms import Shape, Terms
from harness.runs import Run


@dataclass(frozen=True, slots=True)
class Question:
    """`items_per_month` is the rate of the run's own arrivals unless given, `speed_factor` that of its scenario.

    ValueError names what is not allowed.
    """

    items_per_month: float | None = None
    free_tier: bool = False
    speed_factor: float | None = None
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if self.items_per_month is not None and not 1 <= self.items_per_month <= 1e10:
            raise ValueError(f"items_per_month: got {self.items_per_month:g}, allowed: 1 to 10 billion")

    def load(self, run: Run) -> tuple[float, str]:
        """Items a month, and what that rests on."""
        items, why = (
            load_of(run, self.shape)
            if self.items_per_month is None
            else (self.items_per_month, "as you asked")
        )
        return items, why if self.shape == Shape() else f"{why}; {self.shape}"

    def model(self, run: Run) -> CostModel:
        """The costs of the run on these terms."""
        usual = cost_model(run)
        if self.speed_factor is None or self.speed_factor == usual.terms.speed_factor:
            return usual.on(free_tier=self.free_tier, shape=self.shape)
        terms = Terms(book_of(run.manifest), self.speed_factor, self.free_tier, self.shape)
        return CostModel(run, terms, usual.seed)
