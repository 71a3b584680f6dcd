"""`harness advise`: which placement a run speaks for, and where that would change."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from harness.cli.exits import FAILED, leave
from harness.cli.options import defaulted, json_option, run_folder_argument
from harness.cli.output import print_json

WIDTH = 110


@click.command()
@run_folder_argument
@click.option(
    "--items-per-month", type=float, help="The load, 1 to 10 billion; else the run's own rate, all month."
)
@defaulted("--free-tier/--no-free-tier", default=False, help="Whether the free tier is still unused.")
@click.option(
    "--speed-factor",
    type=click.FloatRange(0.001, 1000),
    help="Seconds on AWS for each second here; the scenario's if not given.",
)
@defaulted(
    "--shape", type=click.Choice(["even", "diurnal"]), default="even", help="How items come over a day."
)
@defaulted("--hours", type=click.IntRange(1, 24), default=24, help="Hours of a day in which they come.")
@click.option("--parts", is_flag=True, help="Print each part of the month too, with its sum written out.")
@json_option("advice and all parts of the month")
def advise(
    run_folder: Path, items_per_month: float | None, free_tier: bool, speed_factor: float | None, shape: str,
    hours: int, parts: bool, as_json: bool,
) -> None:  # fmt: skip
    """Tell which placement RUN_FOLDER speaks for, at what size, why, how sure that is, and where the answer flips.

    The exit code is 1 where none can be advised.

    \b
    Example:
      harness advise results/example
      harness advise results/example --items-per-month 5e6 --free-tier
      harness advise results/example --items-per-month 5e6 --parts
    """
    import harness.advice
    from harness import load
    from harness.advice import parts as month
    from harness.advice.question import Question
    from harness.advice.words import paragraphs
    from harness.cost.book import PriceError
    from harness.cost.terms import Shape
    from harness.runs import RunError

    try:
        question = Question(items_per_month, free_tier, speed_factor, Shape(shape, hours))
        run = load(run_folder)
        found = harness.advice.advise(run, question)
        bill = month.parts(run, question)
    except (RunError, PriceError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        print_json(harness.advice.as_json(found) | {"parts": month.as_json(bill)})
    else:
        further = month.paragraphs(bill, found.items_per_month) if parts else []
        _print([*paragraphs(found), *further])
    if found.best is None:
        leave(FAILED)


def _print(paragraphs: list[tuple[str, list[str]]]) -> None:
    for heading, lines in paragraphs:
        click.secho(heading, bold=True)
        for line in lines:
            click.echo(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  "))
        click.echo()
