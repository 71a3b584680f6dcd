"""`harness export`: the tables of a run for other programs."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.exits import USAGE, failing
from harness.cli.options import FOLDER_THERE


@click.command()
@click.argument("run_folder", metavar="RUN", type=FOLDER_THERE)
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["csv", "json", "parquet", "xlsx"]),
    help="What to write.",
)
@click.option(
    "--table", "names", multiple=True, metavar="TABLE",
    help="Only this one, such as attempts, samples, events or summary. May be repeated. Else all that have rows.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="Folder to write to, or file, for xlsx and for a single table. Without it: named after the run, here.",
)  # fmt: skip
def export(run_folder: Path, form: str, names: tuple[str, ...], out: Path | None) -> None:
    """Write the tables of RUN as files for other programs: a folder with a file a table, or a workbook.

    A table `columns` goes with them: types, units and meanings. Prints the files that it wrote.

    \b
    Example:
      harness export results/example --format csv
      harness export results/example --format xlsx --out example.xlsx
      harness export results/example --format parquet --table attempts --out attempts.parquet
    """
    from harness import load
    from harness.export import ExportError
    from harness.export import export as write
    from harness.runs import RunError

    with failing(USAGE, RunError, ExportError):
        paths = write(load(run_folder), form, names, out)
    click.echo("\n".join(str(path) for path in paths))
