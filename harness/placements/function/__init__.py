"""The function placement: Lambda's life cycle, limits and words, around one item at a time."""

from harness.placements.function.definition import limits
from harness.placements.function.placement import FunctionPlacement
from harness.placements.function.recorded import KIND

__all__ = ["KIND", "FunctionPlacement", "limits"]
