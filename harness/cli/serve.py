"""`harness serve`: the placements of a scenario behind the APIs of AWS."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.exits import OF_STATE, USAGE, fail, failing, leave
from harness.cli.options import defaulted, engine_options, placements_option
from harness.cli.report import report_on
from harness.cli.starting import begin, request_for, scenario_asked


@click.command()
@click.argument("scenario")
@placements_option
@defaulted("--host", default="127.0.0.1", help="Address to listen on.")
@defaulted("--port", type=click.IntRange(0, 65_535), default=3001, help="0 takes a free one.")
@engine_options
def serve(
    scenario: str, placements: str | None, host: str, port: int, engine: Any, corpus: Path | None, out: Path
) -> None:
    """Serve functions and batch of SCENARIO behind the APIs of Lambda and Batch, for boto3, the AWS CLI, SDKs and curl.

    Ends with Ctrl-C, and leaves a run folder in which every invocation and every attempt at a job is a row.

    \b
    Example:
      harness serve quick
      aws lambda invoke --endpoint-url http://127.0.0.1:3001 --function-name function --payload '{}' answer.json
    """
    from harness.scenario import ScenarioError
    from harness.serve.running import Address, servable
    from harness.serve.running import serve as serve_until_interrupted

    with failing(USAGE, ScenarioError):
        chosen = scenario_asked(scenario, placements)
    served = servable(chosen)
    if not served:
        fail(f"scenario {chosen.name} has no function and no batch: {list(chosen.placements)}", USAGE)
    # There is nothing to compare, so nothing runs twice.
    request = request_for(chosen.only(served).model_copy(update={"aa": None}), engine, corpus, out)
    folder, state = begin(
        lambda watch: serve_until_interrupted(request, watch, Address(host, port)), quiet=False
    )
    report_on(folder, as_json=False)
    leave(OF_STATE[state])
