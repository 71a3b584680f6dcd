"""Who watches a run, and what they are shown of it: each of its rows, as it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.rows import Attempt, Event, Sample
from harness.runs import RunWriter

Row = Attempt | Sample | Event


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that begins, for those who watch it. `in_flight` tells how many items the driver has out now."""

    folder: Path
    title: str
    arms: tuple[str, ...]
    budget_s: float | None
    in_flight: Callable[[], int]


class Progress(Protocol):
    """Who watches a run: a view on a terminal, plain lines when piped. `cpu_s` is what watching has taken so far."""

    cpu_s: float

    def begin(self, run: Begun) -> Callable[[Row], object] | None:
        """A run begins. What is returned is called with each of its rows, from any thread, and has to be quick."""
        ...

    def ending(self) -> None:
        """Somebody interrupted the run, which now ends in order."""
        ...

    def say(self, message: str) -> None:
        """Something that a person should know now."""
        ...

    def plan(self, steps: int) -> None:
        """How many steps there will be: one for each arm of each block."""
        ...

    def step(self, what: str) -> None:
        """`what` begins."""
        ...


class Tap:
    """Records rows, and shows them to who watches."""

    def __init__(self, writer: RunWriter, see: Callable[[Row], object]) -> None:
        self._writer = writer
        self._see = see

    def attempt(self, row: Attempt) -> None:
        """Record one attempt."""
        self._writer.attempt(row)
        self._see(row)

    def sample(self, row: Sample) -> None:
        """Record one sample."""
        self._writer.sample(row)
        self._see(row)

    def event(self, row: Event) -> None:
        """Record one event."""
        self._writer.event(row)
        self._see(row)
