"""Rows by a key, counted and summed where they lie.

pandas' groupby numbers the rows anew for each figure, and a selection of rows copies all of their columns: at ten
million rows that takes seconds. Here they are numbered once, and only the columns that are summed are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# The key of rows without one; it comes last.
MISSING = "nan"


@dataclass(frozen=True, eq=False)
class Grouped:
    """`keys` has a row for each group, in order; `numbers` says of each row of the table which of them it is in."""

    keys: pd.DataFrame
    numbers: NDArray[np.intp]

    def only(self, wanted: ArrayLike) -> Grouped:
        """Of these rows alone, and the groups that they are in."""
        present, numbers = _numbered(self.numbers[np.asarray(wanted, dtype=bool)], len(self.keys))
        return Grouped(self.keys.iloc[present].reset_index(drop=True), numbers)

    def counts(self) -> NDArray[np.intp]:
        """How many rows each group has."""
        return np.bincount(self.numbers, minlength=len(self.keys))

    def sums(self, values: ArrayLike) -> Floats:
        """Of each group, what is unknown left out."""
        every = np.asarray(values)
        known = np.where(np.isnan(every), 0, every) if every.dtype.kind == "f" else every
        return np.asarray(
            np.bincount(self.numbers, weights=known, minlength=len(self.keys)), dtype=np.float64
        )

    def least(self, values: NDArray[Any]) -> NDArray[Any]:
        """The lowest of each group."""
        return self._reduced(values, np.minimum)

    def greatest(self, values: NDArray[Any]) -> NDArray[Any]:
        """The highest of each group."""
        return self._reduced(values, np.maximum)

    def quantiles(self, values: ArrayLike, quantile: float) -> Floats:
        """Of each group, interpolated between its two nearest values; what is unknown is left out."""
        ends = np.cumsum(self.counts())
        own = np.split(np.asarray(values)[self._order], ends)[: len(ends)]
        known = [each[~np.isnan(each)] for each in own]
        return np.array(
            [np.quantile(each, quantile) if len(each) else np.nan for each in known], dtype=np.float64
        )

    def covered(self, begun: Floats, ended: Floats) -> Floats:
        """How long the intervals of each group last together; where they overlap, time counts once."""
        order = np.argsort(begun, kind="stable")
        # Of numbers this small NumPy sorts in one pass.
        small = self.numbers.astype(np.min_scalar_type(len(self.keys)))
        order = order[np.argsort(small[order], kind="stable")]
        numbers, begun, ended = self.numbers[order], begun[order], ended[order]
        # The groups one behind the other on one axis, so that what one has covered does not reach into the next.
        apart = numbers * float(np.max(ended, initial=0.0) - np.min(begun, initial=0.0))
        until = np.maximum.accumulate(ended + apart)
        before = np.concatenate([[-np.inf], until])[:-1]
        lasts = np.clip(until - np.maximum(begun + apart, before), 0.0, None)
        return np.asarray(np.bincount(numbers, weights=lasts, minlength=len(self.keys)), dtype=np.float64)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self.numbers, kind="stable")

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """The first row of each run of rows of one group."""
        return np.flatnonzero(np.diff(self.numbers, prepend=-1))

    def _reduced(self, values: NDArray[Any], of: np.ufunc) -> NDArray[Any]:
        """Rows of a group mostly stand together, so each such run is reduced first, and then the few runs."""
        runs, numbers = of.reduceat(values, self._starts), self.numbers[self._starts]
        _, firsts = np.unique(numbers, return_index=True)
        found = runs[firsts]
        of.at(found, numbers, runs)
        return found


def grouped(frame: pd.DataFrame, by: list[str]) -> Grouped:
    """The rows of a table by these columns of whole numbers or texts; categories keep their own order."""
    columns = [_codes(frame[name]) for name in by]
    numbers = np.zeros(len(frame), dtype=np.int64)
    for codes, values in columns:
        numbers *= len(values)
        numbers += codes
    present, numbers = _numbered(numbers, int(np.prod([len(values) for _, values in columns])))
    keys: dict[str, Any] = {}
    for name, (_, values) in reversed(list(zip(by, columns, strict=True))):
        present, codes = np.divmod(present, max(1, len(values)))
        keys[name] = values[codes]
    return Grouped(pd.DataFrame({name: keys[name] for name in by}), numbers)


def _codes(column: pd.Series) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each value as a number, and the values by these numbers."""
    if column.dtype.kind in "iu":
        values = column.to_numpy()
        low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        dense = high - low <= len(values)
        return (values - low, np.arange(low, high + 1)) if dense else pd.factorize(values, sort=True)
    known = column.astype("category").cat
    codes, values = known.codes.to_numpy(), known.categories.astype(str).to_numpy()
    if np.min(codes, initial=0) < 0:
        codes, values = np.where(codes < 0, len(values), codes), np.append(values, MISSING)
    return codes, values


def _numbered(codes: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The codes that occur, ascending, and of each row which of them it has."""
    if most > len(codes):
        return np.unique(codes, return_inverse=True)
    present = np.bincount(codes, minlength=most) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]
