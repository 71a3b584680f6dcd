"""Refreshing the price book from AWS's own lists."""

from harness.cost.update.refresh import Refresh, as_data, refresh, save

__all__ = ["Refresh", "as_data", "refresh", "save"]
