"""From the rows of a run folder to tables and sentences; every table has its units in its column names.

A cell is one phase of one arm of one block. Warm-up blocks and invalid cells are left out of all that compares, and
are counted in `validity` and `outcomes`.
"""

from harness.analysis.cells import arms, block_medians, phases, usable, validity
from harness.analysis.comparison import compare
from harness.analysis.own import clock_offset, overhead
from harness.analysis.planning import spread
from harness.analysis.sentences import sentences
from harness.analysis.steadiness import steadiness
from harness.analysis.summary import cold_and_warm, outcomes, summarise

__all__ = [
    "arms",
    "block_medians",
    "clock_offset",
    "cold_and_warm",
    "compare",
    "outcomes",
    "overhead",
    "phases",
    "sentences",
    "spread",
    "steadiness",
    "summarise",
    "usable",
    "validity",
]
