"""`harness run`: measure a scenario, report on it, and judge its objectives."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.exits import INVALID, MISSED, OF_STATE, OK, USAGE, fail, failing, leave
from harness.cli.options import FILE, json_option, placements_option, run_options, seconds, share
from harness.cli.report import report_on
from harness.cli.starting import carry_out, request_for, scenario_asked

if TYPE_CHECKING:
    from harness.runs import Run


@click.command()
@click.argument("scenario")
@placements_option
@run_options
@click.option(
    "--precision", callback=share, help="Plan the number of blocks for this, such as 5%, from a pilot."
)
@click.option(
    "--budget", callback=seconds, help="End after the block in which this is over, such as 90s, 10m or 1h."
)
@click.option("--junit", type=FILE, help="Write the objectives as JUnit XML.")
@json_option()
def run(
    scenario: str, placements: str | None, repeat: int | None, seed: int | None, engine: Any, corpus: Path | None,
    out: Path, precision: float | None, budget: float | None, junit: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run SCENARIO (a name that ships, or a .toml file) and report on it.

    Exit code: 0 passed, 1 the run failed, 2 bad usage, 3 an objective was missed, 4 the run is invalid: no cell of
    some arm and phase could be used, 130 interrupted.

    \b
    Example:
      harness run default
      harness run default --precision 5% --budget 10m
      harness run quick --placements function,service --corpus ~/Pictures
    """
    from harness.scenario import ScenarioError

    with failing(USAGE, ScenarioError):
        chosen = scenario_asked(scenario, placements, repeat, seed)
    if precision is not None and len(chosen.placements) == 1 and chosen.aa is None:
        fail("--precision: there is nothing to compare; allowed with two placements or an A/A arm", USAGE)
    request = request_for(chosen, engine, corpus, out, precision=precision, budget_s=budget)
    folder, state = carry_out(request, quiet=as_json)
    loaded = report_on(folder, as_json=as_json)
    leave(_judge(loaded, state, junit))


def _judge(run: Run, state: str, junit: Path | None) -> int:
    """The exit code; writes the JUnit file if one is asked for."""
    from harness import analysis
    from harness.judgement import judge, overall
    from harness.report.junit import junit as to_junit

    verdicts = judge(run)
    if junit is not None:
        junit.write_text(to_junit(run, verdicts), encoding="utf-8")
    if state != "complete":
        return OF_STATE[state]
    if not analysis.usable(run):
        return INVALID
    return MISSED if overall(verdicts) == "missed" else OK
