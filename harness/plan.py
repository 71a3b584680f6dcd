"""What runs in which order: seeded, shuffled blocks of arms, and the same items for every arm of a block.

The block is the unit of inference (a fresh set of containers for each arm), so every arm of a block meets the same
items at the same offsets, and the order of the arms is drawn anew for each block.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from harness.arrivals import Offsets
from harness.scenario import PlacementSettings, Scenario

# Streams of random numbers, one a purpose, so that adding draws to one leaves the others as they were.
ORDER, ITEMS, ARRIVALS, PLACEMENT = range(4)


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the comparison: a placement, or the duplicate of one that measures the noise floor."""

    name: str
    settings: PlacementSettings
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """Items with their intended offsets from the phase's start; both of the same length."""

    name: str
    items: tuple[str, ...]
    offsets_s: Offsets


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its arms in the order in which they run, and what each of them is given."""

    index: int
    warmup: bool
    arms: tuple[Arm, ...]
    phases: tuple[PlannedPhase, ...]


def arms(scenario: Scenario) -> tuple[Arm, ...]:
    """The arms of a scenario, the A/A duplicate last."""
    named = [Arm(name, settings) for name, settings in scenario.placements.items()]
    if scenario.aa is not None:
        named.append(Arm(f"{scenario.aa}-aa", scenario.placements[scenario.aa], scenario.aa))
    return tuple(named)


def block(
    scenario: Scenario,
    index: int,
    keys: Sequence[str],
    *,
    warmup: bool,
    chosen: Collection[str] | None = None,
) -> Block:
    """Block `index` of a run; `keys` are the corpus's items. It is the same whatever the number of blocks.

    With `chosen` only the arms of these names are in it, in the order that they would have had among all.
    """
    named = arms(scenario)
    order = _rng(scenario, ORDER, index).permutation(len(named))
    items = _rng(scenario, ITEMS, index)
    arrivals = _rng(scenario, ARRIVALS, index)
    phases = []
    for phase in scenario.phases:
        offsets_s = phase.arrivals.offsets_s(arrivals)
        phases.append(PlannedPhase(phase.name, _draw(items, keys, len(offsets_s)), offsets_s))
    kept = tuple(named[i] for i in order if chosen is None or named[i].name in chosen)
    return Block(index, warmup, kept, tuple(phases))


def arm_seed(seed: int, block_index: int, arm: str) -> int:
    """The seed of an arm's own random choices in one block; the block without a number (-1) has one as well."""
    words = np.random.SeedSequence([seed, PLACEMENT, block_index + 1, zlib.crc32(arm.encode())])
    return int(words.generate_state(1)[0])


def _draw(rng: np.random.Generator, keys: Sequence[str], count: int) -> tuple[str, ...]:
    """`count` items: whole shuffled rounds of the corpus, so that each item is drawn about equally often."""
    rounds = [rng.permutation(len(keys)) for _ in range(-(-count // len(keys)))]
    return tuple(keys[i] for i in np.concatenate(rounds)[:count]) if rounds else ()


def _rng(scenario: Scenario, stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng([scenario.seed, stream, index])
