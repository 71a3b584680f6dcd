"""Measure one workload as a function, a batch job and a service, and tell which to use.

>>> import harness
>>> run = harness.load("results/example")      # doctest: +SKIP
>>> run.attempts.groupby("arm").latency_s.median()      # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.runs import Run

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(folder: str | Path) -> Run:
    """Load a run folder, finished or not, as pandas DataFrames.

    Raises `harness.runs.RunError` if `folder` is not a run folder. The columns are those of `harness.rows`.
    """
    from harness.runs import Run  # noqa: PLC0415  (pandas takes half a second: `harness --help` must not wait)

    return Run.load(Path(folder))
