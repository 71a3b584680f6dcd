"""When items arrive: arrival processes as values that answer with intended start times.

Each is pure: the same generator state gives the same times. A new process is one class here and one member of
`Arrivals`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Offsets = NDArray[np.float64]

MAX_ITEMS = 10_000_000


# The driver was seen to keep its time with 16,000 items a second on one core; a placement needs some of it too.
MAX_RATE_PER_S = 10_000


class _Process(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @property
    def expected_items(self) -> float:
        """How many items it gives, at the mean."""
        raise NotImplementedError

    @property
    def lasts_s(self) -> float | None:
        """How long items arrive; None where all come at once, and so it lasts as long as they take."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _gives_items(self) -> Self:
        if not 1 <= self.expected_items <= MAX_ITEMS:
            raise ValueError(f"gives {self.expected_items:g} items; allowed are 1 to {MAX_ITEMS:,}")
        return self


class Steady(_Process):
    """`rate_per_s` items a second, evenly spaced, for `duration_s`; the first at once."""

    kind: Literal["steady"]
    """The process."""
    rate_per_s: Annotated[float, Field(gt=0, le=MAX_RATE_PER_S)]
    """Items a second."""
    duration_s: Annotated[float, Field(gt=0, le=86_400)]
    """Seconds."""

    @property
    def expected_items(self) -> float:
        """How many items it gives, at the mean."""
        return self.rate_per_s * self.duration_s

    @property
    def lasts_s(self) -> float | None:
        """How long items arrive."""
        return self.duration_s

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending; 1-D."""
        count = round(self.expected_items)
        return np.arange(count, dtype=np.float64) / self.rate_per_s


class Poisson(_Process):
    """Independent arrivals at a mean of `rate_per_s` for `duration_s`: exponential gaps."""

    kind: Literal["poisson"]
    """The process."""
    rate_per_s: Annotated[float, Field(gt=0, le=MAX_RATE_PER_S)]
    """Items a second, at the mean."""
    duration_s: Annotated[float, Field(gt=0, le=86_400)]
    """Seconds."""

    @property
    def expected_items(self) -> float:
        """How many items it gives, at the mean."""
        return self.rate_per_s * self.duration_s

    @property
    def lasts_s(self) -> float | None:
        """How long items arrive."""
        return self.duration_s

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending; 1-D, and empty when nothing happened to arrive.

        Given their number, the arrivals of a Poisson process are independent and uniform over its duration.
        """
        count = rng.poisson(self.expected_items)
        return np.sort(rng.uniform(0.0, self.duration_s, count))


class Burst(_Process):
    """`bursts` groups of `items` at once, one every `every_s`; the first at once."""

    kind: Literal["burst"]
    """The process."""
    items: Annotated[int, Field(ge=1, le=1_000_000)]
    """Items of each burst."""
    bursts: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many bursts."""
    every_s: Annotated[float, Field(gt=0, le=86_400)] = 1.0
    """Seconds from one burst to the next."""

    @property
    def expected_items(self) -> float:
        """How many items it gives, at the mean."""
        return self.items * self.bursts

    @property
    def lasts_s(self) -> float | None:
        """How long items arrive; None with one burst."""
        return self.bursts * self.every_s if self.bursts > 1 else None

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending, equal within a burst; 1-D."""
        return np.repeat(np.arange(self.bursts, dtype=np.float64) * self.every_s, self.items)


class Drop(_Process):
    """`items` all at once: a nightly delivery."""

    kind: Literal["drop"]
    """The process."""
    items: Annotated[int, Field(ge=1, le=1_000_000)]
    """Items, all due at once."""

    @property
    def expected_items(self) -> float:
        """How many items it gives, at the mean."""
        return self.items

    @property
    def lasts_s(self) -> float | None:
        """None: all come at once."""
        return None

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """As many zeros as items; 1-D."""
        return np.zeros(self.items)


Arrivals = Annotated[Steady | Poisson | Burst | Drop, Field(discriminator="kind")]
