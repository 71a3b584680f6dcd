"""Runs against each other: two versions of a workload, two machines, two sizes."""

from harness.comparing.comparison import Comparison, ComparisonError, compare_runs
from harness.comparing.thresholds import ThresholdError, parse

__all__ = ["Comparison", "ComparisonError", "ThresholdError", "compare_runs", "parse"]
