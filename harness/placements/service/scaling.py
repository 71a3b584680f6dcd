"""Target tracking: how many tasks keep a metric near its target. Quick out, slow in.

Source: Application Auto Scaling User Guide, "How target tracking scaling works" and "Target tracking scaling
policies for Application Auto Scaling", read 2026-11-24: it goes out when the metric was above the target in each of
3 minutes, in when it was below 0.9 of it in each of 15, never beyond minimum and maximum; what an earlier step out
added counts towards the next one in its cooldown, and a step in waits for its own, which a step out ends. The periods
are those of the alarms that AWS makes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from harness.scenario.service import ScalingSettings

IN_MARGIN = 0.9
# What a sum of readings is off by is no reason for one more task.
ROUNDING_TASKS = 1e-9


@dataclass(frozen=True, slots=True)
class Decision:
    """Another number of tasks, and the figures behind it."""

    direction: Literal["out", "in"]
    before: int
    after: int
    metric: str
    value: float
    target: float
    periods: int


@dataclass(slots=True)
class TargetTracking:
    """Told of each period's reading, it says when another number of tasks is wanted. Times are seconds of any clock.

    `time_scale` multiplies the cooldowns.
    """

    settings: ScalingSettings
    time_scale: float = 1.0
    _above: deque[float] = field(default_factory=deque)
    _below: deque[float] = field(default_factory=deque)
    _out_at_s: float = -math.inf
    _in_at_s: float = -math.inf
    _before_out: int = 0

    def observe(
        self, at_s: float, value: float | None, desired: int, *, may_go_in: bool = True
    ) -> Decision | None:
        """One more reading; None is a period without one, which breaks every row of them.

        Where it may not go in, a step in is put off: it is taken as soon as it may, if the readings still ask for it.
        """
        settings = self.settings
        if value is None:
            self._above.clear()
            self._below.clear()
            return None
        _count(self._above, value, value > settings.target, settings.out_periods)
        _count(self._below, value, value < settings.target * IN_MARGIN, settings.in_periods)
        if len(self._above) >= settings.out_periods:
            return self._out(at_s, desired)
        if may_go_in and len(self._below) >= settings.in_periods:
            return self._in(at_s, desired)
        return None

    def _out(self, at_s: float, desired: int) -> Decision | None:
        settings = self.settings
        value = sum(self._above) / len(self._above)
        cooling = at_s - self._out_at_s < settings.out_cooldown_s * self.time_scale
        # A step in meanwhile has taken away what the earlier step out had added, and more.
        base = min(self._before_out, desired) if cooling else desired
        wanted = min(settings.max_tasks, _tasks_for(base, value, settings.target))
        if wanted <= desired:
            return None
        if not cooling:
            self._before_out = desired
        self._out_at_s = at_s
        # A step out ends the cooldown of steps in.
        self._in_at_s = -math.inf
        return self._decide("out", desired, wanted, value, settings.out_periods)

    def _in(self, at_s: float, desired: int) -> Decision | None:
        settings = self.settings
        value = sum(self._below) / len(self._below)
        if at_s - self._in_at_s < settings.in_cooldown_s * self.time_scale:
            return None
        wanted = max(settings.min_tasks, _tasks_for(desired, value, settings.target))
        if wanted >= desired:
            return None
        self._in_at_s = at_s
        return self._decide("in", desired, wanted, value, settings.in_periods)

    def _decide(
        self, direction: Literal["out", "in"], before: int, after: int, value: float, periods: int
    ) -> Decision:
        # Readings from before the change say nothing of how it is after it.
        self._above.clear()
        self._below.clear()
        return Decision(direction, before, after, self.settings.metric, value, self.settings.target, periods)


def _tasks_for(tasks: int, value: float, target: float) -> int:
    """How many it takes to have the target, where so many have `value`."""
    return math.ceil(tasks * value / target - ROUNDING_TASKS)


def _count(row: deque[float], value: float, fits: bool, most: int) -> None:
    """Readings in a row that fit, at most so many."""
    if not fits:
        row.clear()
        return
    row.append(value)
    while len(row) > most:
        row.popleft()
