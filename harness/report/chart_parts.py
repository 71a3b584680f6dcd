"""What the charts have in common: a colour for each arm, a panel for each phase, and what comes with a chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import altair as alt
import pandas as pd

from harness.analysis.cells import arms as arms_of
from harness.report.contents import Contents
from harness.runs import Run

# The first arm of a kind has the kind's own colour, in every picture of every run; others have one of FURTHER. All
# are at least 3:1 against the paper of both themes, and told apart by colour-blind people too: a test computes both.
BY_KIND = {"function": "#0072B2", "batch": "#D55E00", "service": "#009E73"}
FURTHER = ["#A020F0", "#E0004D", "#66607E"]
PALETTE = [*BY_KIND.values(), *FURTHER]
# Of lines, so that colour is not all that tells them apart: by colour.
DASHES = dict(zip(PALETTE, [[1, 0], [7, 3], [3, 2], [9, 3, 2, 3], [5, 2, 1, 2], [2, 5]], strict=True))
WIDTH = 780
# Neither an arm nor a part, in both themes: what is told apart by many pale colours has an edge of it.
QUIET = "#888888"
EDGE: dict[str, Any] = {"stroke": QUIET, "strokeWidth": 0.75}
LETTER_PX, SYMBOL_PX = 7, 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with the rows that are in it, for whoever wants them as a file, and what it shows, in a sentence or two
    for whoever cannot see it.
    """

    chart: Any
    rows: pd.DataFrame
    shows: str


def arms(contents: Contents) -> list[str]:
    """Names of the arms, in the order of the summary."""
    return list(dict.fromkeys(contents.summary["arm"]))


def originals(contents: Contents) -> list[str]:
    """Those of them that are no A/A duplicate, for charts that a second line of the same would only crowd."""
    known = arms_of(contents.run)
    return [arm for arm in arms(contents) if not known[arm].get("duplicate_of")]


def colours(run: Run) -> dict[str, str]:
    """Each arm's colour: by its kind first, so that a function looks the same wherever it comes."""
    found: dict[str, str] = {}
    further = cycle(FURTHER)
    for arm, about in arms_of(run).items():
        own = BY_KIND.get(str(about.get("placement")))
        found[arm] = own if own and own not in found.values() else next(further)
    return found


def colour(
    of: Contents | Run,
    only: list[str] | None = None,
    *,
    legend: bool = True,
    opaque: bool = False,
    title: str | None = "arm",
) -> alt.Color:
    """One colour an arm, the same in every chart; the legend has those in `only`, or all of them."""
    known = _shown(of, only)
    scale = alt.Scale(domain=list(known), range=list(known.values()))
    shape = _legend(known, symbolOpacity=1 if opaque else alt.Undefined) if legend else None
    return alt.Color("arm:N", title=title, scale=scale, legend=shape)


def dash(of: Contents | Run, only: list[str] | None = None, *, title: str | None = "arm") -> alt.StrokeDash:
    """One pattern of dashes an arm, for lines that `colour` tells apart too: they share its legend."""
    known = _shown(of, only)
    scale = alt.Scale(domain=list(known), range=[DASHES[each] for each in known.values()])
    return alt.StrokeDash("arm:N", title=title, scale=scale, legend=_legend(known))


def _shown(of: Contents | Run, only: list[str] | None) -> dict[str, str]:
    """The colours of the arms to show, in their order."""
    known = colours(of if isinstance(of, Run) else of.run)
    measured = known if isinstance(of, Run) else arms(of)
    return {arm: known[arm] for arm in measured if only is None or arm in only}


def _legend(shown: Iterable[str], **more: Any) -> alt.Legend:
    """In as many columns as there is room for."""
    columns = max(1, WIDTH // (max(map(len, shown), default=1) * LETTER_PX + SYMBOL_PX))
    return alt.Legend(columns=columns, **more)


def phases(contents: Contents) -> alt.Row:
    """A panel for each phase, in the order in which they run."""
    order = list(dict.fromkeys(contents.summary["phase"]))
    return alt.Row("phase:N", title=None, sort=order, header=alt.Header(labelFontWeight="bold"))


def seconds(name: str, title: str) -> alt.X:
    """A logarithmic axis of seconds, with ticks as people write them."""
    text = "datum.value < 1 ? format(datum.value * 1000, '~g') + ' ms' : format(datum.value, '~g') + ' s'"
    scale = alt.Scale(type="log", nice=False, padding=20)
    return alt.X(f"{name}:Q", title=title, scale=scale, axis=alt.Axis(labelExpr=text, tickCount=6))


def listed(texts: Iterable[str]) -> str:
    """a, b and c."""
    *most, last = list(texts) or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
