"""How many items a second one task carries, at the utilisation at which it still meets the objective.

Both ends are measured: how long items take that meet an idle task, and how many a second a task does that is never
idle. What lies between is a queue of one task, with arrivals at random (Poisson) and spread at random over tasks, which
a load balancer can only better: an item that finds the task busy takes as long as items do when it is never idle. It is
simulated arrival by arrival. Source: Kiefer and Wolfowitz, On the theory of queues with many servers (Transactions of
the American Mathematical Society 78, 1955).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.analysis.cells import valid_items
from harness.cost.arms import Arm
from harness.cost.figures import Figures
from harness.objectives import Objective, objectives_of
from harness.runs import Run

ARRIVALS = 20_000
MOST = 0.99
HALVINGS = 12
# Without an objective a task may be loaded until its p95 is so many times what it is when nobody waits.
KNEE = 2.0
KNEE_QUANTILE = 0.95
BURSTING = {"drop", "burst"}


@dataclass(frozen=True, slots=True)
class Utilisation:
    """The share of its full rate that a task is given, and why; `infeasible` says which objective no load meets."""

    share: float
    why: str
    infeasible: str = ""


@dataclass(frozen=True, eq=False)
class Task:
    """`alone_s` is how long items take that meet an idle task, the rest what it does when it is never idle.

    Seconds are those of this machine: an AWS of another speed has the same queue, in seconds of its own.
    """

    alone_s: NDArray[np.float64]
    rate_per_s: float
    at_once: int = 1
    _stays_s: dict[float, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @property
    def crowding(self) -> float:
        """How many times as long an item takes in a task that is never idle."""
        return max(1.0, self.at_once / self.rate_per_s / float(self.alone_s.mean()))

    def quantile_s(self, quantile: float, load: float) -> float:
        """Of the latency of items at a share of the full rate; at no load nobody waits."""
        if load not in self._stays_s:
            self._stays_s[load] = latencies_s(self, load) if load else self.alone_s
        return float(np.quantile(self._stays_s[load], quantile))


def task_of(run: Run, arm: Arm, figures: Figures, speed_factor: float) -> Task:
    """A task of a service, with its figures of an AWS of such a speed."""
    rate_per_s = figures.rate_per_s * speed_factor
    return Task(_alone_s(run, arm), rate_per_s, max(1, round(figures.at_once)))


def utilisation(run: Run, arm: Arm, task: Task, speed_factor: float) -> Utilisation:
    """Of a service's tasks, where a second of this machine is `speed_factor` seconds of AWS."""
    found = [
        _of_objective(each, task, speed_factor)
        for each in objectives_of(run.manifest)
        if _concerns(each, arm)
    ]
    if not found:
        share = _highest(task, KNEE_QUANTILE, KNEE * task.quantile_s(KNEE_QUANTILE, 0.0))
        found = [Utilisation(share, "no latency objective: p95 at most twice that of an idle task")]
    scaling = arm.settings.get("scaling") or {}
    if scaling.get("metric") == "cpu":
        found.append(Utilisation(float(scaling["target"]), "the target of scaling"))
    if scaling.get("metric") == "requests":
        share = min(1.0, float(scaling["target"]) / 60 / task.rate_per_s * speed_factor)
        found.append(Utilisation(share, "the target of scaling"))
    return min(found, key=lambda each: (not each.infeasible, each.share))


def bursts(run: Run) -> frozenset[str]:
    """The phases whose items come faster than they are done, many at once."""
    phases = (run.manifest.get("scenario") or {}).get("phases") or []
    return frozenset(each["name"] for each in phases if each["arrivals"]["kind"] in BURSTING)


def latencies_s(task: Task, load: float, seed: int = 1, count: int = ARRIVALS) -> NDArray[np.float64]:
    """Waiting and work of `count` arrivals at a task that is given `load` (0 to 1) of its full rate.

    The same seed draws the same items and gaps, so that more load never makes one of them faster.
    """
    rng = np.random.default_rng(seed)
    alone_s = rng.choice(task.alone_s, count)
    return stays_s(task, np.cumsum(rng.exponential(1 / (task.rate_per_s * load), count)), alone_s)


def stays_s(task: Task, at_s: NDArray[np.float64], alone_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the arrival of each item (ascending) to its end; `alone_s` is how long each takes in an idle task."""
    free_s, found = [0.0] * task.at_once, []
    # In a task that works on one item at a time the first other one makes it busy, else it takes all of the others.
    most = max(1, task.at_once - 1)
    slowdown = (task.crowding - 1) / most
    for at, alone in zip(at_s.tolist(), alone_s.tolist(), strict=True):
        others = min(len([each for each in free_s if each > at]), most)
        done = max(at, free_s[0]) + alone * (1 + slowdown * others)
        heapq.heapreplace(free_s, done)
        found.append(done - at)
    return np.array(found)


def _alone_s(run: Run, arm: Arm) -> NDArray[np.float64]:
    """Handler times of the phase in which they are shortest, in seconds of this machine."""
    items = valid_items(run)
    own = items[(items["arm"] == arm.name) & items["ok"]].dropna(subset=["handler_s"])
    by_phase = own.groupby("phase", observed=True)["handler_s"].mean()
    return own.loc[own["phase"] == by_phase.idxmin(), "handler_s"].to_numpy(dtype=np.float64)


def _concerns(objective: Objective, arm: Arm) -> bool:
    latency = objective.quantile is not None and objective.parts[1] in {"<", "<="}
    return latency and objective.placement in {None, arm.name}


def _of_objective(objective: Objective, task: Task, speed_factor: float) -> Utilisation:
    quantile, bound_s = objective.quantile, objective.parts[2] / speed_factor
    assert quantile is not None
    if task.quantile_s(quantile, 0.0) > bound_s:
        return Utilisation(0.0, objective.expect, infeasible=objective.expect)
    return Utilisation(_highest(task, quantile, bound_s), f"the most at which {objective.expect} holds")


def _highest(task: Task, quantile: float, bound_s: float) -> float:
    """The highest load at which this quantile of latency is within the bound."""
    low, high = MOST * 0.5**HALVINGS, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if task.quantile_s(quantile, middle) <= bound_s:
            low = middle
        else:
            high = middle
    return low
