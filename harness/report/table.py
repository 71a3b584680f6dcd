"""A table for people, the same in Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people: `numeric` counts the columns from the right that hold figures. `raw` is what it was made of,
    for its CSV: a figure a column, with the unit in its name; None where the texts are all there is.
    """

    caption: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""
    numeric: int = 0
    raw: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a report, made once for all its forms: what comes first, the other figures, and the method."""

    first: list[Table]
    results: list[Table]
    method: list[Table]
