"""A container's health, from how its checks went.

Source: Amazon ECS API Reference, "HealthCheck", read 2026-11-24: unhealthy after `retries` failures in a row;
failures in the start period do not count, and a success in it ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Health = Literal["starting", "healthy", "unhealthy"]


@dataclass(slots=True)
class HealthCheck:
    """Told of each check, it says what the container is."""

    retries: int
    interval_s: float
    start_period_s: float
    state: Health = "starting"
    failures: int = 0
    _counted_at_s: float = 0.0

    def observe(self, passed: bool, age_s: float) -> Health:
        """One more check, `age_s` after the start. One that comes before its time counts only if it passes."""
        if passed:
            self.state, self.failures = "healthy", 0
        elif self._in_its_time(age_s) and (self.state != "starting" or age_s >= self.start_period_s):
            self.failures += 1
            self._counted_at_s = age_s
            if self.failures >= self.retries:
                self.state = "unhealthy"
        return self.state

    def _in_its_time(self, age_s: float) -> bool:
        return age_s - self._counted_at_s >= self.interval_s
