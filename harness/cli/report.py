"""`harness report`: the reports of a run, made again; commands that make a run end with them too."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.exits import INTERRUPTED, USAGE, fail, failing
from harness.cli.options import json_option, run_folder_argument
from harness.cli.output import busy, console, print_json, program

if TYPE_CHECKING:
    from harness.runs import Run


@click.command()
@run_folder_argument
@json_option()
def report(run_folder: Path, as_json: bool) -> None:
    """Make the reports of RUN_FOLDER again, from its files alone.

    \b
    Example:
      harness report results/example
    """
    from harness.cost.book import PriceError
    from harness.runs import RunError

    with failing(USAGE, RunError, PriceError):
        report_on(run_folder, as_json=as_json)


def report_on(folder: Path, *, as_json: bool) -> Run:
    """Write the reports of a run folder, and print the result. RunError if it is none."""
    try:
        with busy("making the report", shown=not as_json):
            from harness import load
            from harness.report.as_json import as_json as to_json
            from harness.report.build import write_reports
            from harness.report.contents import Contents
            from harness.report.terminal import render

            contents = Contents(load(folder))
            write_reports(contents)
        if as_json:
            print_json(to_json(contents), default=str)
        else:
            console().print(render(contents))
            if contents.picture is None:
                click.echo(f"Why, how sure, and where that flips: {program()} advise {folder}")
    except KeyboardInterrupt:
        fail(f"the report was interrupted; `harness report {folder}` makes it again", INTERRUPTED)
    return contents.run
