"""What a sweep was asked, as its manifest has it: which arms are which sizes, and by what they are chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.runs import Run
from harness.scenario import Scenario, ScenarioError
from harness.tuning.prices import Basis

KEY = "tune"
Time = Literal["latency", "handler"]
Goal = Literal["cost", "speed", "balanced"]


@dataclass(frozen=True, slots=True)
class Question:
    """By what sizes are chosen.

    - `phase`: whose items decide;
    - `time`: "latency" from when an item was due, waiting included, or "handler", the workload alone;
    - `basis`: the price of a size that is always "busy", or "as run";
    - `weight`: of cost in the balance, 0 to 1; time has the rest.
    """

    phase: str
    time: Time = "latency"
    basis: Basis = "busy"
    weight: float = 0.5

    @property
    def goal(self) -> Goal:
        """What a search is after: all weight on one of the two is that one alone."""
        return "cost" if self.weight == 1 else "speed" if self.weight == 0 else "balanced"

    def told(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


def deciding_phase(scenario: Scenario, asked: str | None) -> str:
    """The phase asked for, or the first in which items come one by one; ScenarioError if there is no such phase.

    In a drop every item but the first waits for others, so its latency says more of how many there were than of a size.
    """
    names = [phase.name for phase in scenario.phases]
    if asked is not None:
        if asked not in names:
            raise ScenarioError(f"--phase: got {asked!r}, allowed: {names}")
        return asked
    return next((phase.name for phase in scenario.phases if phase.arrivals.kind != "drop"), names[0])


def question_of(run: Run) -> Question | None:
    """What the run was asked; None if it is no sweep of sizes."""
    told = run.manifest.get(KEY)
    return Question(**told["question"]) if told else None


def sized_arms(run: Run) -> dict[str, dict[str, Any]]:
    """Placement, vCPU and memory in MB of each arm of a sweep, in the order of placements, then of sizes."""
    found: dict[str, dict[str, Any]] = run.manifest[KEY]["arms"]
    return found
