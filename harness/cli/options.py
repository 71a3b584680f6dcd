"""Options that several commands take, and the types of their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

SHOWN = "harness.shown"

FOLDER = click.Path(file_okay=False, path_type=Path)
FOLDER_THERE = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
# One whose help tells its default.
defaulted = partial(click.option, show_default=True)
run_folder_argument = click.argument("run_folder", type=FOLDER_THERE)
placements_option = click.option("--placements", help="Only these, separated by commas.")


def json_option(what: str = "result") -> Callable[[Any], Any]:
    """`--json`, which goes to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print the {what} as JSON and nothing else.")


@dataclass(slots=True)
class Shown:
    """How much of a run under way is shown."""

    quiet: bool = False
    live: bool = True


def showing() -> Shown:
    """As the present command was asked."""
    found: Shown = click.get_current_context().meta.setdefault(SHOWN, Shown())
    return found


def _show(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Keep it with the command, so that not every command has to hand it on; a click callback."""
    setattr(context.meta.setdefault(SHOWN, Shown()), str(parameter.name), value)


ENGINE_OPTIONS = [
    defaulted(
        "--engine",
        type=click.Choice(["auto", "docker", "process"]),
        default="auto",
        help="What runs the work; auto takes Docker where its daemon answers.",
    ),
    click.option("--corpus", type=FOLDER_THERE, help="Folder of your own inputs, in place of the corpus."),
    defaulted("--out", type=FOLDER, default=Path("results"), help="Where the run folder goes."),
    click.option(
        "--live/--no-live",
        default=True,
        expose_value=False,
        callback=_show,
        help="Whether a terminal shows the run as it goes, or lines as when piped.",
    ),
    click.option(
        "--quiet", "-q", is_flag=True, expose_value=False, callback=_show, help="Show neither, only warnings."
    ),
]
RUN_OPTIONS = [
    click.option(
        "--repeat", type=click.IntRange(1, 1000), help="Number of blocks, in place of the scenario's."
    ),
    click.option(
        "--seed", type=click.IntRange(0), help="Seed of every random choice, in place of the scenario's."
    ),
    *ENGINE_OPTIONS,
]


def run_options(command: Any) -> Any:
    """What every command that runs something takes."""
    return _with(command, RUN_OPTIONS)


def engine_options(command: Any) -> Any:
    """What every command takes that starts containers."""
    return _with(command, ENGINE_OPTIONS)


def _with(command: Any, options: list[Any]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command


def share(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """`5%` or `0.05`, as a fraction between 0 and 1; a click callback."""
    if text is None:
        return None
    found = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < found < 1:
        raise click.BadParameter(
            f"{text!r} is not a share: allowed are 0.1% to 99%, or a fraction such as 0.05"
        )
    return found


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """`90s`, `10m`, `1h`, or plain seconds; in seconds; a click callback."""
    if text is None:
        return None
    scale = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    found = _number(text[:-1]) * scale if scale else _number(text)
    if not 0 < found < math.inf:
        raise click.BadParameter(f"{text!r} is not a duration: allowed are such as 90s, 10m, 1.5h")
    return found


def _number(text: str) -> float:
    """NaN, which no range holds, where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
