"""A real run of the default scenario, of 23 November 2026, kept for tests that lean on its figures.

`results/example` is recorded again whenever placements change; this run stays.
"""

from __future__ import annotations

from pathlib import Path

RECORDED = Path(__file__).parent / "default"
