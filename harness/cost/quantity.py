"""How much of something a month takes: over its items, or over how long an item takes.

`items` are those of the month; `duration` multiplies every second that was measured, so that 2 is an item that takes
twice as long, and 1 the item of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.cost.curve import Curve, at_least, floored, line, stairs, total


class Quantity(Protocol):
    """Units of a month."""

    def over_items(self) -> Curve:
        """Units over items a month, at duration 1."""

    def over_duration(self, items: float) -> Curve:
        """Units over duration, at so many items a month."""


@dataclass(frozen=True, slots=True)
class Proportional:
    """`fixed` units, and for each item `each` units and `each_timed` that grow with its duration."""

    each: float = 0.0
    each_timed: float = 0.0
    fixed: float = 0.0

    def over_items(self) -> Curve:
        """See `Quantity`."""
        return line(self.fixed, self.each + self.each_timed)

    def over_duration(self, items: float) -> Curve:
        """See `Quantity`."""
        return line(self.fixed + items * self.each, items * self.each_timed)


@dataclass(frozen=True, slots=True)
class Stepped:
    """`height` units for each whole task (or instance), of which there are `least`, and one for each `capacity` items a
    month; what does not fit into the last one takes another.
    """

    height: float
    capacity: float
    least: int

    def over_items(self) -> Curve:
        """See `Quantity`."""
        return stairs(self.capacity, self.height, self.least)

    def over_duration(self, items: float) -> Curve:
        """See `Quantity`."""
        return stairs(self.capacity / items, self.height, self.least)


@dataclass(frozen=True, slots=True)
class Summed:
    """The sum of several: the tasks of each hour of the day."""

    parts: tuple[Quantity, ...]

    def over_items(self) -> Curve:
        """See `Quantity`."""
        return total([part.over_items() for part in self.parts])

    def over_duration(self, items: float) -> Curve:
        """See `Quantity`."""
        return total([part.over_duration(items) for part in self.parts])


@dataclass(frozen=True, slots=True)
class Floored:
    """`each_timed` units an item, and at least `floor` units for each of the `collections` into which items of a month
    are gathered; an item that comes alone is a collection of its own.
    """

    each_timed: float
    floor: float
    collections: float

    def over_items(self) -> Curve:
        """See `Quantity`."""
        return floored(self.each_timed, self.floor, self.collections)

    def over_duration(self, items: float) -> Curve:
        """See `Quantity`."""
        return at_least(self.floor * min(items, self.collections), self.each_timed * items)
