"""A comparison as one HTML page that works offline, in the style of the report."""

from __future__ import annotations

import vl_convert as vlc
from jinja2 import ChoiceLoader, Environment, PackageLoader

from harness import __version__
from harness.comparing.comparison import Comparison
from harness.comparing.forest import forests
from harness.comparing.tables import conditions_table, in_order, ratios_table, thresholds_table
from harness.report.html import RUNTIME_CALL, json_text, script


def html(comparison: Comparison) -> str:
    """The whole page."""
    drawn = forests(comparison)
    loader = ChoiceLoader([PackageLoader("harness.comparing", "."), PackageLoader("harness.report", ".")])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("comparison.html.j2").render(
        title=" · ".join(comparison.labels),
        labels=comparison.labels,
        banners=comparison.banners,
        sentences=comparison.sentences(),
        notes=comparison.notes,
        conditions=conditions_table(comparison),
        thresholds=thresholds_table(comparison),
        ratios=ratios_table(comparison, in_order(comparison.table)),
        charts=drawn,
        runtime=script(vlc.javascript_bundle(RUNTIME_CALL)),
        specs=json_text({chart.key: chart.spec for chart in drawn}),
        version=__version__,
    )
