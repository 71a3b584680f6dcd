"""The HTML report: one file that works offline, its charts drawn by the Vega runtime inlined in it."""

from __future__ import annotations

import json
import re

import vl_convert as vlc
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from harness import __version__
from harness.report.charts import charts
from harness.report.contents import Contents
from harness.report.method import method_tables
from harness.report.results import first_tables, result_tables

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
        first=first_tables(contents),
        results=result_tables(contents),
        method=method_tables(contents),
        differences=manifest.get("differences") or [],
        seed=manifest.get("seed"),
        charts=drawn,
        runtime=script(vlc.javascript_bundle(RUNTIME_CALL)),
        specs=json_text({chart.key: chart.spec for chart in drawn}),
        version=__version__,
    )


def script(text: str) -> Markup:
    """JavaScript that stands in a script element: nothing in it may end that element."""
    return Markup(re.sub("</(?=script)", r"<\\/", text, flags=re.IGNORECASE))  # noqa: S704


def json_text(value: object) -> Markup:
    """JSON that stands in a script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704
