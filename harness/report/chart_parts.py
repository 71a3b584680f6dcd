"""What the charts have in common: a colour for each arm, a panel for each phase."""

from __future__ import annotations

from typing import Any

import altair as alt

from harness.report.contents import Contents

# Okabe and Ito's palette, told apart by colour-blind people too; dark enough and light enough for both themes.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999"]
WIDTH = 620


def arms(contents: Contents) -> list[str]:
    """Names of the arms, in the order of the summary."""
    return list(dict.fromkeys(contents.summary["arm"]))


def colour(contents: Contents, **more: Any) -> alt.Color:
    """One colour an arm, the same in every chart."""
    known = arms(contents)
    return alt.Color("arm:N", title="arm", scale=alt.Scale(domain=known, range=PALETTE[: len(known)]), **more)


def phases(contents: Contents) -> alt.Row:
    """A panel for each phase, in the order in which they run."""
    order = list(dict.fromkeys(contents.summary["phase"]))
    return alt.Row("phase:N", title=None, sort=order, header=alt.Header(labelFontWeight="bold"))
