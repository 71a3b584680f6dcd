"""How many items a second one task carries, at the utilisation at which it still meets the objective.

Its full rate is measured: finished items over the time of the tasks, in the phase with the highest throughput. How much
of that may be used follows from the latency that is demanded, by a queue in which the measured times of handlers are
served one after another, with arrivals at random (Poisson) and spread at random over tasks. Source of the recursion:
Lindley, The theory of queues with a single server (Mathematical Proceedings of the Cambridge Philosophical Society 48,
1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.cells import valid_items
from harness.cost.arms import Arm
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
    """The share of its full rate that a task is given, why, and whether any load meets the objective."""

    share: float
    why: str
    feasible: bool = True


def utilisation(run: Run, arm: Arm, rate_per_s: float) -> Utilisation:
    """Of a service's tasks, each of which does `rate_per_s` items a second (of AWS) at the most."""
    times_s = _service_times_s(run, arm, rate_per_s)
    found = [_of_objective(each, times_s) for each in objectives_of(run.manifest) if _concerns(each, arm)]
    if not found:
        bound_s = KNEE * float(np.quantile(times_s, KNEE_QUANTILE))
        share = _highest(times_s, KNEE_QUANTILE, bound_s)
        found = [Utilisation(share, "no latency objective: p95 at most twice that of an idle task")]
    scaling = arm.settings.get("scaling") or {}
    if scaling.get("metric") == "cpu":
        found.append(Utilisation(float(scaling["target"]), "the target of scaling"))
    if scaling.get("metric") == "requests":
        share = min(1.0, float(scaling["target"]) / 60 / rate_per_s)
        found.append(Utilisation(share, "the target of scaling"))
    lowest = min(found, key=lambda each: each.share)
    return Utilisation(lowest.share, lowest.why, all(each.feasible for each in found))


def bursts(run: Run) -> frozenset[str]:
    """The phases whose items come faster than they are done, many at once."""
    phases = (run.manifest.get("scenario") or {}).get("phases") or []
    return frozenset(each["name"] for each in phases if each["arrivals"]["kind"] in BURSTING)


def latencies_s(
    times_s: NDArray[np.float64], load: float, seed: int = 1, count: int = ARRIVALS
) -> NDArray[np.float64]:
    """Waiting and service of `count` arrivals at one server that `load` (0 to 1) keeps busy; times drawn from "
    "`times_s`."""
    rng = np.random.default_rng(seed)
    service_s = rng.choice(times_s, count)
    gaps_s = rng.exponential(float(times_s.mean()) / load, count)
    # Lindley: a wait is the last one, and its service, less the gap, or 0; that is a walk above its lowest point.
    walk = np.concatenate([[0.0], np.cumsum(service_s[:-1] - gaps_s[1:])])
    return np.asarray(walk - np.minimum.accumulate(walk) + service_s)


def _service_times_s(run: Run, arm: Arm, rate_per_s: float) -> NDArray[np.float64]:
    """The spread of the handler's times, scaled to the mean time of an item in a task that is never idle."""
    items = valid_items(run)
    own = items[(items["arm"] == arm.name) & items["ok"]]
    by_phase = own.groupby("phase", observed=True)["handler_s"].mean()
    quiet = own.loc[own["phase"] == by_phase.idxmin(), "handler_s"].dropna().to_numpy(dtype=np.float64)
    return np.asarray(quiet / quiet.mean() / rate_per_s)


def _concerns(objective: Objective, arm: Arm) -> bool:
    latency = objective.quantile is not None and objective.parts[1] in {"<", "<="}
    return latency and objective.placement in {None, arm.name}


def _of_objective(objective: Objective, times_s: NDArray[np.float64]) -> Utilisation:
    quantile, bound_s = objective.quantile, objective.parts[2]
    assert quantile is not None
    if float(np.quantile(times_s, quantile)) > bound_s:
        return Utilisation(MOST, f"{objective.expect} cannot be met at any load", feasible=False)
    return Utilisation(_highest(times_s, quantile, bound_s), f"the most at which {objective.expect} holds")


def _highest(times_s: NDArray[np.float64], quantile: float, bound_s: float) -> float:
    """The highest load at which this quantile of latency is within the bound."""
    low, high = MOST * 0.5**HALVINGS, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(np.quantile(latencies_s(times_s, middle), quantile)) <= bound_s:
            low = middle
        else:
            high = middle
    return low
