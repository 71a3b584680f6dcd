"""`harness aa`: the noise floor, from a placement that runs twice."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.exits import INVALID, OF_STATE, USAGE, failing, leave
from harness.cli.options import json_option, run_options
from harness.cli.output import console
from harness.cli.starting import carry_out, request_for, scenario_asked


@click.command()
@click.argument("scenario")
@click.option(
    "--placement", help="Which one to run twice; the scenario's A/A placement, or its first, if not given."
)
@run_options
@json_option("floor")
def aa(
    scenario: str, placement: str | None, repeat: int | None, seed: int | None, engine: Any, corpus: Path | None,
    out: Path, as_json: bool,
) -> None:  # fmt: skip
    """State the noise floor of SCENARIO here: by how much two identical arms differ.

    Exit code: 0 stated, 1 the run failed, 2 bad usage, 4 no cell of some phase could be used, 130 interrupted.

    \b
    Example:
      harness aa default
      harness aa default --placement service --repeat 20
    """
    from harness import analysis, load
    from harness.report.terminal import floor
    from harness.scenario import ScenarioError

    with failing(USAGE, ScenarioError):
        chosen = scenario_asked(scenario, repeat=repeat, seed=seed)
        chosen = chosen.twice(placement or chosen.aa or next(iter(chosen.placements)))
    folder, state = carry_out(request_for(chosen, engine, corpus, out), quiet=as_json)
    loaded = load(folder)
    if as_json:
        click.echo(analysis.compare(loaded).to_json(orient="records", indent=2))
    else:
        console().print(floor(loaded))
    leave(INVALID if state == "complete" and not analysis.usable(loaded) else OF_STATE[state])
