"""What is known of a run that is watched: how far it is, how long it will take, its arms and what happened to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.analysis import units
from harness.cli.notes import Notes
from harness.cli.tally import Tally
from harness.rows import NO_BLOCK, Event
from harness.session import Begun, Row


@dataclass(slots=True)
class Picture:
    """Moments are of one monotonic clock, in seconds. `steps` and `done` count the arms of all blocks."""

    run: Begun
    begun_s: float
    tally: Tally = field(init=False)
    notes: Notes = field(default_factory=Notes)
    what: str = ""
    steps: int = 0
    begun: int = 0
    step_begun_s: float = 0.0
    is_ending: bool = False

    def __post_init__(self) -> None:
        self.tally = Tally(self.run.arms)

    @property
    def done(self) -> int:
        """How many steps have ended."""
        return max(0, self.begun - 1)

    def step(self, what: str, now_s: float) -> None:
        """One begins, so the one before has ended."""
        self.what, self.step_begun_s = what, now_s
        self.begun += 1

    def take(self, row: Row) -> None:
        """Count a row in."""
        self.tally.take(row)
        if isinstance(row, Event):
            self.notes.take(row)

    def left_s(self, now_s: float) -> float | None:
        """Until the run's end, by how long arms took in blocks that have ended; None while that cannot be told."""
        arm_s = self.tally.arm_s()
        if self.is_ending or arm_s is None or not self.steps:
            return None
        left_s = arm_s * (self.steps - self.done) - min(arm_s, now_s - self.step_begun_s)
        if self.run.budget_s is not None:
            left_s = min(left_s, self.run.budget_s - (now_s - self.begun_s))
        return max(0.0, left_s)

    def line(self, ended: Event, now_s: float) -> str:
        """An arm that has ended, as a line of a log."""
        arm = self.tally.arms[ended.arm]
        took = units.duration(arm.took_s)
        if ended.block == NO_BLOCK:
            return f"{self.what}: {arm.name} · {took}"
        told = [
            self.what,
            f"{arm.block_ok:,} ok, {arm.block_failed:,} failed",
            f"p50 {units.duration(quantile(arm.block_recent_s, 0.5))}",
            took,
        ]
        left_s = self.left_s(now_s)
        return " · ".join([*told, *([] if left_s is None else [f"about {clock(left_s)} left"])])


def clock(value_s: float) -> str:
    """0:12, 4:20, 1:02:03."""
    hours, rest = divmod(round(value_s), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def quantile(values: Iterable[float], share: float) -> float | None:
    """The nearest rank; None without values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else None
