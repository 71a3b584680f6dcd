"""Nothing, done to an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workloads.kit.step import Work


def noop(data: bytes, settings: Mapping[str, Any]) -> Work:
    """No output, and a row that tells the item's size."""
    return Work((), {"bytes": len(data)})
