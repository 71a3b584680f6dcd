"""The batch placement: jobs with a start and an end, as AWS Batch queues, places, retries and ends them."""

from harness.placements.batch.placement import KIND, BatchPlacement, limits, parse

__all__ = ["KIND", "BatchPlacement", "limits", "parse"]
