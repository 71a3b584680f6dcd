"""Runs of known latency laws, as rows in memory, for trials by the hundred."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.runs import Run
from tests.rows import an_attempt

# Arm: what it is the duplicate of.
ARMS = {"first": None, "first-aa": "first"}
# Items differ in size; each block has luck that its arms share, each arm of a block its own, and so has each request.
SIZES, SHARED_LUCK, OWN_LUCK, REQUEST = 0.5, 0.03, 0.02, 0.08
EMPTY = pd.DataFrame(columns=["block", "arm", "container", "phase", "kind", "detail", "duration_s", "cpu_s"])


def a_run(
    rng: np.random.Generator,
    items: NDArray[np.int64],
    *,
    factor: float = 1.0,
    digest: str = "d",
    aa: bool = True,
) -> Run:
    """A run whose block b gives each arm the items `items[b]`, numbers that also tell their sizes.

    The median latency of an item is e^-3 s times its size times `factor`.
    """
    blocks, count = items.shape
    sizes = np.exp(SIZES * np.random.default_rng(items.max()).normal(size=items.max() + 1))[items]
    shared = rng.lognormal(-3, SHARED_LUCK, (blocks, 1))
    plain = asdict(an_attempt())
    frames = []
    for arm in ARMS if aa else ["first"]:
        own = rng.lognormal(0, OWN_LUCK, (blocks, 1)) * rng.lognormal(0, REQUEST, items.shape)
        latency_s = (factor * sizes * shared * own).ravel()
        frames.append(
            pd.DataFrame(plain | {"arm": arm, "phase": "drop", "sent_ns": 0}, index=range(items.size)).assign(
                block=np.repeat(np.arange(blocks), count),
                sequence=np.tile(np.arange(count), blocks),
                item=items.ravel().astype(str),
                latency_s=latency_s,
                done_ns=(latency_s * 1e9).astype("int64"),
            )
        )
    attempts = pd.concat(frames, ignore_index=True).astype(
        dict.fromkeys(["arm", "phase", "item", "outcome"], "category")
    )
    arms = {
        arm: {"placement": "fake", "duplicate_of": original}
        for arm, original in ARMS.items()
        if aa or arm == "first"
    }
    manifest = {
        "arms": arms, "scenario": {"phases": [{"name": "drop"}]}, "seed": 1, "corpus": {"digest": digest},
        "run": str(rng), "state": "complete",
    }  # fmt: skip
    return Run(Path("made"), manifest, attempts, samples=EMPTY, events=EMPTY)


def mixes(rng: np.random.Generator, blocks: int, count: int, corpus: int = 200) -> NDArray[np.int64]:
    """Which items each block has, drawn from a corpus."""
    found: NDArray[np.int64] = rng.integers(corpus, size=(blocks, count))
    # So that sizes belong to the corpus and not to the draw.
    found[0, 0] = corpus - 1
    return found
