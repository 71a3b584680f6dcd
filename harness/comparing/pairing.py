"""Which blocks of two runs may be paired: those in which an arm was given the same items."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from harness.analysis.cells import CELL, items
from harness.analysis.comparison import ALL_PHASES
from harness.analysis.records import records
from harness.runs import Run
from harness.statistics import MIN_BLOCKS_FOR_CLAIM

Pairs = dict[tuple[str, str], set[int]]


def same_items(base: Run, other: Run) -> Pairs:
    """By arm and phase, the numbers of the blocks in which both runs gave it the same items in the same order.

    Runs of one seed, scenario and corpus draw the same items for the same block (plan.py), so which items are large is
    no part of the ratio of such a pair. That is read from the rows and the corpus's digest, not taken from the seed.
    For "all phases" every phase of the block has to agree.
    """
    digests = [(run.manifest.get("corpus") or {}).get("digest") for run in (base, other)]
    found: Pairs = defaultdict(set)
    if digests[0] is None or digests[0] != digests[1]:
        return found
    both = pd.concat([_digests(base).rename("base"), _digests(other).rename("other")], axis=1)
    differs = both["base"].ne(both["other"])
    whole = differs.groupby(["block", "arm"]).transform("any")
    for row in records(pd.DataFrame({"part": differs, "whole": whole}).reset_index()):
        if not row.part:
            found[row.arm, row.phase].add(int(row.block))
        if not row.whole:
            found[row.arm, ALL_PHASES].add(int(row.block))
    return found


def paired_blocks(base: pd.Index, other: pd.Index, same: set[int]) -> pd.Index | None:
    """The blocks to pair, of those that each side has figures in; None where sides are to be taken as independent.

    They are paired wherever items agree, whatever the figures are, and unless that would leave too few of enough
    blocks. Pairing a run of equal items takes their spread out of the interval; where items are alike anyway the
    paired interval is as wide as the other, to within the spread of chance. Taking the narrower of the two would look
    like a gain and is none: it covers less than it says (tests/statistics/test_between.py).
    """
    pairs = base.intersection(other)
    pairs = pairs[pairs.isin(sorted(same))]
    enough = min(MIN_BLOCKS_FOR_CLAIM, len(base), len(other))
    return pairs if len(pairs) and len(pairs) >= enough else None


def _digests(run: Run) -> pd.Series:
    """By block, arm and phase: a number that is the same for the same items in the same places."""
    frame = items(run)
    named = pd.DataFrame({
        "sequence": frame["sequence"].to_numpy(),
        "item": run.attempts["item"].loc[frame.index].astype(str).to_numpy(),
    })  # fmt: skip
    hashes = pd.util.hash_pandas_object(named, index=False).to_numpy()
    keys = frame[CELL].astype({"arm": str, "phase": str})
    # Sums of 64-bit hashes wrap around, which does no harm.
    return keys.assign(hash=hashes.astype(np.uint64)).groupby(CELL)["hash"].sum()
