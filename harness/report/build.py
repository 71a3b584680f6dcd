"""Writes the reports of a run into its folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.analysis.idle import idle
from harness.analysis.instances import instances
from harness.analysis.lambda_metrics import lambda_metrics
from harness.analysis.services import service_log
from harness.report.answer import answer
from harness.report.contents import Contents
from harness.report.html import html
from harness.report.markdown import markdown
from harness.report.method import method_tables
from harness.report.results import first_tables, result_tables
from harness.report.table import Tables


def write_reports(contents: Contents) -> list[Path]:
    """`summary.csv`, `report.md`, `report.html`, and those of the further tables that have rows. Returns their
    paths.
    """
    run = contents.run
    found = answer(contents)
    tables = Tables(first_tables(contents), result_tables(contents), method_tables(contents))
    paths = [run.folder / name for name in ("summary.csv", "report.md", "report.html")]
    contents.summary.to_csv(paths[0], index=False)
    paths[1].write_text(markdown(contents, found, tables), encoding="utf-8")
    paths[2].write_text(html(contents, found, tables), encoding="utf-8")
    for name, table in _tables(contents):
        if len(table):
            paths.append(run.folder / f"{name}.csv")
            table.to_csv(paths[-1], index=False)
    return paths


def _tables(contents: Contents) -> list[tuple[str, pd.DataFrame]]:
    run, picture = contents.run, contents.picture
    return [
        ("lambda_metrics", lambda_metrics(run)),
        ("instances", instances(run)),
        ("idle", idle(run)),
        ("services", service_log(run)),
        ("bill", contents.bill),
        *([("tune", picture.sizes)] if picture is not None else []),
    ]
