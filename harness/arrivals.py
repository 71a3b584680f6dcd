"""When items arrive: arrival processes as values that answer with intended start times.

Each is pure: the same generator state gives the same times. A new process is one class here and one member of
`Arrivals`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Offsets = NDArray[np.float64]

MAX_ITEMS = 10_000_000


class _Process(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Steady(_Process):
    """`rate_per_s` items a second, evenly spaced, for `duration_s`; the first at once."""

    kind: Literal["steady"]
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)]
    duration_s: Annotated[float, Field(gt=0, le=86_400)]

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending; 1-D."""
        count = max(1, round(self.rate_per_s * self.duration_s))
        return np.arange(count, dtype=np.float64) / self.rate_per_s


class Poisson(_Process):
    """Independent arrivals at a mean of `rate_per_s` for `duration_s`: exponential gaps."""

    kind: Literal["poisson"]
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)]
    duration_s: Annotated[float, Field(gt=0, le=86_400)]

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending; 1-D, and empty when nothing happened to arrive.

        Given their number, the arrivals of a Poisson process are independent and uniform over its duration.
        """
        count = rng.poisson(self.rate_per_s * self.duration_s)
        return np.sort(rng.uniform(0.0, self.duration_s, count))


class Burst(_Process):
    """`bursts` groups of `items` at once, one every `every_s`; the first at once."""

    kind: Literal["burst"]
    items: Annotated[int, Field(ge=1, le=1_000_000)]
    bursts: Annotated[int, Field(ge=1, le=10_000)] = 1
    every_s: Annotated[float, Field(gt=0, le=86_400)] = 1.0

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """Seconds after the phase's start, ascending, equal within a burst; 1-D."""
        return np.repeat(np.arange(self.bursts, dtype=np.float64) * self.every_s, self.items)


class Drop(_Process):
    """`items` all at once: a nightly delivery."""

    kind: Literal["drop"]
    items: Annotated[int, Field(ge=1, le=1_000_000)]

    def offsets_s(self, rng: np.random.Generator) -> Offsets:
        """As many zeros as items; 1-D."""
        return np.zeros(self.items)


Arrivals = Annotated[Steady | Poisson | Burst | Drop, Field(discriminator="kind")]
