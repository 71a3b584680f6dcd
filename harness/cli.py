"""The commands: the only file that prints or exits. Everything slow is imported inside its command."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harness import __version__

if TYPE_CHECKING:
    from harness.scenario import Scenario

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = {"complete": OK, "interrupted": INTERRUPTED, "failed": FAILED}
WIDTH_WHEN_PIPED = 120


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Measure one workload as a function, a batch job and a service, and read which to use.

    \b
    Example:
      harness run quick            a first look in half a minute
      harness doctor               what this machine can measure
    """


@main.command()
@click.argument("scenario")
@click.option("--placements", help="Only these, separated by commas.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "process"]),
    default="auto",
    show_default=True,
    help="What runs the work; auto takes Docker where its daemon answers.",
)
@click.option("--repeat", type=click.IntRange(1, 1000), help="Number of blocks, in place of the scenario's.")
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of every random choice, in place of the scenario's."
)
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of your own inputs, in place of the corpus.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Where the run folder goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
def run(
    scenario: str,
    placements: str | None,
    engine: Any,
    repeat: int | None,
    seed: int | None,
    corpus: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Run SCENARIO (a name that ships, or a .toml file) and report on it.

    \b
    Example:
      harness run default
      harness run quick --placements function,service --corpus ~/Pictures
    """
    from harness import session
    from harness.engines.base import EngineError
    from harness.runs import RunError
    from harness.scenario import ScenarioError
    from workloads.kit.errors import CorpusUnavailable

    try:
        chosen = _scenario(scenario, placements, repeat, seed)
    except ScenarioError as error:
        _fail(str(error), USAGE)
    request = session.Request(chosen, engine, out.resolve(), corpus and corpus.resolve(), tuple(sys.argv[1:]))
    with _Watch(quiet=as_json) as watch:
        try:
            folder, state = session.run(request, watch)
        except (EngineError, RunError, CorpusUnavailable, OSError) as error:
            _fail(f"the run could not begin: {error}", FAILED)
    _report(folder, as_json=as_json)
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
    from harness.runs import RunError

    try:
        _report(run_folder, as_json=as_json)
    except RunError as error:
        _fail(str(error), USAGE)


@main.command()
@click.option(
    "--clean", "do_clean", is_flag=True, help="Remove the containers and networks that a crash left."
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

    from rich.console import Console
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
    Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED).print(table)


def _scenario(name: str, placements: str | None, repeat: int | None, seed: int | None) -> Scenario:
    from harness import scenario

    chosen = scenario.load(scenario.find(name))
    if placements is not None:
        chosen = chosen.only([part.strip() for part in placements.split(",")])
    changes = {key: value for key, value in (("blocks", repeat), ("seed", seed)) if value is not None}
    return chosen.model_copy(update=changes)


def _report(folder: Path, *, as_json: bool) -> None:
    from rich.console import Console

    from harness import load
    from harness.report.as_json import as_json as to_json
    from harness.report.build import write_reports
    from harness.report.terminal import render

    loaded = load(folder)
    write_reports(loaded)
    if as_json:
        click.echo(json.dumps(to_json(loaded), indent=2, default=str))
        return
    Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED).print(render(loaded))


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"harness: {message}", err=True)
    sys.exit(code)


class _Watch:
    """Progress on a terminal; when piped, only what a person must know."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = Console(stderr=quiet)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("preparing", total=None)
        self._begun = False

    def __enter__(self) -> _Watch:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        (self._bar.console if self._bar.live.is_started and not self._bar.disable else self._console).print(
            message, highlight=False, soft_wrap=True
        )

    def plan(self, steps: int) -> None:
        """The bar's length."""
        self._bar.update(self._task, total=steps)

    def step(self, what: str) -> None:
        """One step begins, so the one before has ended."""
        self._bar.update(self._task, description=what, advance=1 if self._begun else 0)
        self._begun = True
