"""The commands: the only file that prints or exits. Everything slow is imported inside its command."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harness import __version__
from harness.cli.advise import advise
from harness.cli.compare import compare
from harness.cli.export import export
from harness.cli.gallery import gallery
from harness.cli.options import engine_options, run_options, seconds, share
from harness.cli.prices import prices
from harness.cli.push import push
from harness.cli.tune import tune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from harness.cli.progress import Watch
    from harness.runs import Run
    from harness.scenario import Scenario
    from harness.session import Request

# An objective that is undecided is no failure: the report says what would decide it. 130 is 128 + SIGINT.
OK, FAILED, USAGE, MISSED, INVALID, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = {"complete": OK, "interrupted": INTERRUPTED, "failed": FAILED}
WIDTH_WHEN_PIPED = 120
LEFT_AT_ONCE = (
    "left at once. `harness report {folder}` reports on what was measured; "
    "`harness doctor --clean` removes the containers that were left"
)


class _Commands(click.Group):
    """Commands that end with the exit code of an interruption when they are interrupted, where click has 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Measure one workload as a function, a batch job and a service, and read which to use.

    \b
    Example:
      harness run quick            a first look in half a minute
      harness doctor               what this machine can measure
    """


for command in (advise, compare, export, gallery, prices, push, tune):
    main.add_command(command)


@main.command()
@click.argument("scenario")
@click.option("--placements", help="Only these, separated by commas.")
@run_options
@click.option(
    "--precision", callback=share, help="Plan the number of blocks for this, such as 5%, from a pilot."
)
@click.option(
    "--budget", callback=seconds, help="End after the block in which this is over, such as 90s, 10m or 1h."
)
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the objectives as JUnit XML."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
def run(
    scenario: str,
    placements: str | None,
    repeat: int | None,
    seed: int | None,
    junit: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
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

    try:
        chosen = _scenario(scenario, placements, repeat, seed)
    except ScenarioError as error:
        _fail(str(error), USAGE)
    if options["precision"] is not None and len(chosen.placements) == 1 and chosen.aa is None:
        _fail("--precision: there is nothing to compare; allowed with two placements or an A/A arm", USAGE)
    folder, state = _carry_out(chosen, quiet=as_json, **options)
    loaded = _report(folder, as_json=as_json)
    sys.exit(_judge(loaded, state, junit))


@main.command()
@click.argument("scenario")
@click.option(
    "--placement", help="Which one to run twice; the scenario's A/A placement, or its first, if not given."
)
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print the floor as JSON and nothing else.")
def aa(
    scenario: str, placement: str | None, repeat: int | None, seed: int | None, as_json: bool, **options: Any
) -> None:
    """State the noise floor of SCENARIO here: by how much two identical arms differ.

    \b
    Example:
      harness aa default
      harness aa default --placement service --repeat 20
    """
    from harness import analysis, load
    from harness.report.terminal import floor
    from harness.scenario import ScenarioError

    try:
        chosen = _scenario(scenario, None, repeat, seed)
        chosen = chosen.twice(placement or chosen.aa or next(iter(chosen.placements)))
    except ScenarioError as error:
        _fail(str(error), USAGE)
    folder, state = _carry_out(chosen, quiet=as_json, precision=None, budget=None, **options)
    loaded = load(folder)
    if as_json:
        click.echo(analysis.compare(loaded).to_json(orient="records", indent=2))
    else:
        _console().print(floor(loaded))
    sys.exit(EXIT_CODES[state])


@main.command()
@click.argument("scenario")
@click.option("--placements", help="Only these, separated by commas.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=3001, show_default=True, help="0 takes a free one."
)
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

    try:
        chosen = _scenario(scenario, placements, None, None)
    except ScenarioError as error:
        _fail(str(error), USAGE)
    served = servable(chosen)
    if not served:
        _fail(f"scenario {chosen.name} has no function and no batch: {list(chosen.placements)}", USAGE)
    # There is nothing to compare, so nothing runs twice.
    request = _request(chosen.only(served).model_copy(update={"aa": None}), engine, corpus, out)
    folder, state = _begin(
        lambda watch: serve_until_interrupted(request, watch, Address(host, port)), quiet=False
    )
    _report(folder, as_json=False)
    sys.exit(EXIT_CODES[state])


@main.command()
@click.argument("run_folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
def report(run_folder: Path, as_json: bool) -> None:
    """Make the reports of RUN_FOLDER again, from its files alone.

    \b
    Example:
      harness report results/example
    """
    from harness.cost.book import PriceError
    from harness.runs import RunError

    try:
        _report(run_folder, as_json=as_json)
    except (RunError, PriceError) as error:
        _fail(str(error), USAGE)


@main.command()
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

    from rich.table import Table

    import harness.doctor as clinic
    from harness.engines.base import EngineError
    from harness.engines.docker import connect

    if do_clean:
        try:
            removed = clinic.clean(connect())
        except EngineError as error:
            _fail(str(error), FAILED)
        click.echo("\n".join(f"removed {name}" for name in removed) or "nothing was left over")
        return
    findings = clinic.examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "found", "how to mend it"):
        table.add_column(heading, overflow="fold")
    marks = {"good": "[green]ok[/]", "warning": "[yellow]warning[/]", "missing": "[red]missing[/]"}
    for finding in findings:
        table.add_row(marks[finding.verdict], finding.topic, finding.value, finding.mend)
    _console().print(table)


def _scenario(name: str, placements: str | None, repeat: int | None, seed: int | None) -> Scenario:
    from harness import scenario

    chosen = scenario.load(scenario.find(name))
    if placements is not None:
        chosen = chosen.only([part.strip() for part in placements.split(",")])
    changes = {key: value for key, value in (("blocks", repeat), ("seed", seed)) if value is not None}
    return chosen.model_copy(update=changes)


def _carry_out(
    scenario: Scenario, *, engine: Any, corpus: Path | None, out: Path, precision: float | None, budget: float | None,
    quiet: bool,
) -> tuple[Path, str]:  # fmt: skip
    from harness import session

    request = _request(scenario, engine, corpus, out, precision=precision, budget_s=budget)
    return _begin(lambda watch: session.run(request, watch), quiet=quiet)


def _request(scenario: Scenario, engine: Any, corpus: Path | None, out: Path, **more: Any) -> Request:
    from harness import session

    return session.Request(
        scenario, engine, out.resolve(), corpus and corpus.resolve(), tuple(sys.argv[1:]), **more
    )


def _begin(work: Callable[[Watch], tuple[Path, str]], *, quiet: bool) -> tuple[Path, str]:
    """Do it, with progress; exits if it cannot begin or is interrupted before it has."""
    from harness.cli.options import showing
    from harness.cli.progress import Watch, mode
    from harness.engines.base import EngineError
    from harness.runs import RunError
    from workloads.kit.errors import CorpusUnavailable

    shown = showing()
    # Until the run can end in order, SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    watch = Watch(mode(quiet=quiet or shown.quiet, live=shown.live), json=quiet)
    try:
        with watch:
            return work(watch)
    except (EngineError, RunError, CorpusUnavailable, OSError) as error:
        _fail(f"the run could not begin: {error}", FAILED)
    except KeyboardInterrupt:
        if watch.run is None:
            _fail("interrupted before the first measurement; nothing was kept", INTERRUPTED)
        _fail(LEFT_AT_ONCE.format(folder=watch.run.folder), INTERRUPTED)


def _judge(run: Run, state: str, junit: Path | None) -> int:
    """The exit code; writes the JUnit file if one is asked for."""
    from harness import analysis
    from harness.judgement import judge, overall
    from harness.report.junit import junit as to_junit

    verdicts = judge(run)
    if junit is not None:
        junit.write_text(to_junit(run, verdicts), encoding="utf-8")
    if state != "complete":
        return EXIT_CODES[state]
    if not analysis.usable(run):
        return INVALID
    return MISSED if overall(verdicts) == "missed" else OK


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED)


def _report(folder: Path, *, as_json: bool) -> Run:
    try:
        with _busy("making the report", shown=not as_json):
            from harness import load
            from harness.report.as_json import as_json as to_json
            from harness.report.build import write_reports
            from harness.report.terminal import render

            loaded = load(folder)
            write_reports(loaded)
        if as_json:
            click.echo(json.dumps(to_json(loaded), indent=2, default=str))
        else:
            _console().print(render(loaded))
    except KeyboardInterrupt:
        _fail(f"the report was interrupted; `harness report {folder}` makes it again", INTERRUPTED)
    return loaded


@contextlib.contextmanager
def _busy(what: str, *, shown: bool) -> Iterator[None]:
    """Tell a terminal what takes so long."""
    from rich.console import Console

    from harness.cli.options import showing
    from harness.cli.progress import mode

    asked = showing()
    if mode(quiet=asked.quiet or not shown, live=asked.live) != "live":
        yield
        return
    with Console(stderr=True).status(what):
        yield


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"harness: {message}", err=True)
    sys.exit(code)
