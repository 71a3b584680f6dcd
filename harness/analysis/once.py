"""Computes a table once for each run: reports ask for the same ones many times."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from harness.runs import Run

T = TypeVar("T")


def once(compute: Callable[[Run], T]) -> Callable[[Run], T]:
    """Keep what `compute` gives for as long as the run lives. Nobody may change it in place."""
    known: WeakKeyDictionary[Run, T] = WeakKeyDictionary()

    @functools.wraps(compute)
    def remembered(run: Run) -> T:
        if run not in known:
            known[run] = compute(run)
        return known[run]

    return remembered
