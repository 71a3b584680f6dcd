"""The HTML report: one file that works offline, its charts drawn by the Vega runtime inlined in it."""

from __future__ import annotations

import base64
import json
import re

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from harness import __version__
from harness.analysis import units
from harness.report.answer import Answer
from harness.report.assumptions import assumptions
from harness.report.charts import charts
from harness.report.contents import Contents
from harness.report.runtime import runtime
from harness.report.table import Table, Tables


def html(contents: Contents, found: Answer | None, tables: Tables) -> str:
    """The whole page."""
    manifest = contents.run.manifest
    scenario = manifest.get("scenario") or {}
    drawn = list(charts(contents))
    switches = assumptions(contents)
    sections = {"measured": "What was measured", "assumptions": "What it rests on", "pictures": "In pictures",
                "figures": "In figures", "method": "How it was measured"}  # fmt: skip
    return pages().get_template("report.html.j2").render(
        title=scenario.get("title") or contents.run.folder.name,
        run=manifest.get("run", contents.run.folder.name),
        workload=scenario.get("workload", ""),
        attempts=f"{len(contents.run.attempts):,}",
        banners=contents.banners(),
        answer=found,
        sentences=contents.sentences,
        sections=[(key, text) for key, text in sections.items() if switches or key != "assumptions"],
        assumptions=switches,
        tables=tables,
        differences=manifest.get("differences") or [],
        seed=manifest.get("seed"),
        charts=drawn,
        runtime=script(runtime()),
        specs=as_script({chart.key: chart.spec for chart in drawn}),
        version=__version__,
    )  # fmt: skip


def pages(*packages: str) -> Environment:
    """Templates of pages, those of further packages too; those that have tables or charts extend base.html.j2."""
    folders = [
        PackageLoader("harness.report", "page"),
        *(PackageLoader(package, ".") for package in packages),
    ]
    made = Environment(loader=ChoiceLoader(folders), autoescape=True, trim_blocks=True)
    made.filters |= {"csv_of": csv_of, "sort_key": sort_key, "tied": tied}
    return made


def csv_of(rows: Table | pd.DataFrame) -> str:
    """A link that holds the rows themselves, so that a page that is passed on alone still has them."""
    if isinstance(rows, Table):
        frame = pd.DataFrame(rows.rows, columns=rows.headings) if rows.raw is None else rows.raw
    else:
        frame = rows
    text = frame.to_csv(index=False, float_format="%.7g")
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def sort_key(cell: str) -> Markup:
    """The figure that a cell begins with, for sorting; nothing where it begins with none."""
    value = units.value(cell)
    return Markup("") if value is None else Markup(' data-v="{}"').format(f"{value:.9g}")


def tied(text: str) -> str:
    """The same with a space that no line ends at between a figure and its unit."""
    return re.sub(r"(\d) (%|µs|ms|s|min|MB|MiB|GiB|million|billion)(?!\w)", "\\1\u00a0\\2", text)


def script(text: str) -> Markup:
    """JavaScript that stands in a script element: nothing in it may end that element."""
    return Markup(re.sub("</(?=script)", r"<\\/", text, flags=re.IGNORECASE))  # noqa: S704


def as_script(value: object) -> Markup:
    """JSON that stands in a script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704
