"""A comparison as one HTML page that works offline, in the style of the report."""

from __future__ import annotations

from harness import __version__
from harness.comparing.comparison import Comparison
from harness.comparing.forest import forests
from harness.comparing.sentences import sentences
from harness.comparing.tables import conditions_table, in_order, ratios_table, thresholds_table
from harness.report.html import as_script, pages, script
from harness.report.runtime import runtime


def html(comparison: Comparison) -> str:
    """The whole page."""
    drawn = forests(comparison)
    return (
        pages("harness.comparing")
        .get_template("comparison.html.j2")
        .render(
            title=" · ".join(comparison.labels),
            labels=comparison.labels,
            banners=comparison.banners,
            sentences=sentences(comparison),
            notes=comparison.notes,
            conditions=conditions_table(comparison),
            thresholds=thresholds_table(comparison),
            ratios=ratios_table(comparison, in_order(comparison.table)),
            charts=drawn,
            runtime=script(runtime()),
            specs=as_script({chart.key: chart.spec for chart in drawn}),
            version=__version__,
        )
    )
