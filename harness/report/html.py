"""The HTML report: one file that works offline, its charts drawn by the Vega runtime inlined in it."""

from __future__ import annotations

import json

import vl_convert as vlc
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from harness import __version__
from harness.report.charts import charts
from harness.report.contents import Contents

RUNTIME_CALL = "window.vegaEmbed = vegaEmbed;"


def html(contents: Contents) -> str:
    """The whole page."""
    manifest = contents.run.manifest
    scenario = manifest.get("scenario") or {}
    drawn = list(charts(contents))
    environment = Environment(loader=PackageLoader("harness.report", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("template.html.j2").render(
        title=scenario.get("title") or contents.run.folder.name,
        run=manifest.get("run", contents.run.folder.name),
        workload=scenario.get("workload", ""),
        attempts=f"{len(contents.run.attempts):,}",
        banners=contents.banners(),
        sentences=contents.sentences,
        results=contents.result_tables(),
        method=contents.method_tables(),
        differences=manifest.get("differences") or [],
        seed=manifest.get("seed"),
        charts=drawn,
        runtime=_for_script(vlc.javascript_bundle(RUNTIME_CALL)),
        specs=_for_script(json.dumps({chart.key: chart.spec for chart in drawn})),
        version=__version__,
    )


def _for_script(text: str) -> Markup:
    """Text that may stand in a script element: nothing in it can end that element."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))  # noqa: S704
