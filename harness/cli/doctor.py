"""`harness doctor`: what this machine can measure, and what a crash has left on it."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and docker-py takes a while)

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.exits import FAILED, failing
from harness.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from harness.doctor.finding import Finding

MARKS = {"good": "[green]ok[/]", "warning": "[yellow]warning[/]", "missing": "[red]missing[/]"}


@click.command()
@click.option(
    "--clean", "do_clean", is_flag=True, help="Remove the containers, networks and disks that a crash left."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(do_clean: bool, as_json: bool) -> None:
    """Tell what this machine can and cannot measure, and how to mend it.

    \b
    Example:
      harness doctor
      harness doctor --clean
    """
    from dataclasses import asdict

    import harness.doctor as clinic

    if do_clean:
        _clean()
        return
    findings = clinic.examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console().print(_table(findings))


def _clean() -> None:
    import harness.doctor as clinic
    from harness.engines.base import EngineError
    from harness.engines.docker import connect

    with failing(FAILED, EngineError):
        removed = clinic.clean(connect())
    click.echo("\n".join(f"removed {name}" for name in removed) or "nothing was left over")


def _table(findings: list[Finding]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "found", "how to mend it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(MARKS[finding.verdict], finding.topic, finding.value, finding.mend)
    return table
