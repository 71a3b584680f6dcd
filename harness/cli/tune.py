"""`harness tune`: which size is cheapest, fastest and balanced, for every placement."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.exits import INVALID, OF_STATE, OK, USAGE, failing, leave
from harness.cli.options import defaulted, json_option, placements_option, run_options
from harness.cli.report import report_on
from harness.cli.starting import carry_out, request_for, scenario_asked

if TYPE_CHECKING:
    from harness.runs import Run
    from harness.scenario import Scenario
    from harness.tuning.question import Question
    from harness.tuning.sweep import Sweep


@click.command()
@click.argument("scenario")
@placements_option
@click.option(
    "--memory",
    help="Sizes of functions in MB, such as 128,512,1769. Without it: 128,256,512,1024,1769,3008.",
)
@click.option(
    "--vcpu",
    help="Sizes of jobs and tasks in vCPU, with or without their memory in MB, such as 0.25:512,1. Without it: "
    "0.25,0.5,1,2.",
)
@defaulted(
    "--weight",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="What cost weighs in the balanced choice; time weighs the rest.",
)
@click.option(
    "--search",
    "is_search",
    is_flag=True,
    help="Measure as few sizes as it takes to find the balanced one; the cheapest with --weight 1, the fastest with 0.",
)
@click.option("--phase", help="Whose items decide; the first phase that is not a drop, if not given.")
@defaulted(
    "--time",
    type=click.Choice(["latency", "handler"]),
    default="latency",
    help="What is fast: an item from when it was due, or the work alone, as Lambda Power Tuning has it.",
)
@defaulted(
    "--basis",
    type=click.Choice(["busy", "as-run"]),
    default="busy",
    help="What is cheap: a size that has work all the time, or this very run.",
)
@run_options
@json_option()
def tune(
    scenario: str, placements: str | None, repeat: int | None, seed: int | None, engine: Any, corpus: Path | None,
    out: Path, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Measure SCENARIO at several sizes: what each costs, how long it takes, and which to choose.

    With --search, --repeat is the number of blocks in each round of the search.

    Exit code: 0 done, 1 the run failed, 2 bad usage, 4 no size of some placement could be judged, 130 interrupted.

    \b
    Example:
      harness tune default
      harness tune default --placements function --memory 128,256,512,1024,1769,3008 --repeat 10
      harness tune default --vcpu 0.25:512,0.5,1 --weight 0.8 --search
    """
    from harness.scenario import ScenarioError
    from harness.tuning.rounds import SearchSizing, SweepSizing

    with failing(USAGE, ScenarioError):
        chosen = scenario_asked(scenario, placements, repeat, seed)
        made, question = _asked(chosen, **asked)
    sizing = (SearchSizing if asked["is_search"] else SweepSizing)(made, question)
    request = request_for(made.scenario, engine, corpus, out, sizing=sizing, about=sizing.manifest())
    folder, state = carry_out(request, quiet=as_json)
    run = report_on(folder, as_json=as_json)
    leave(OF_STATE[state] or (OK if _judged(run) else INVALID))


def _asked(
    scenario: Scenario, *, memory: str | None, vcpu: str | None, phase: str | None, time: Any, basis: str,
    weight: float, is_search: bool,
) -> tuple[Sweep, Question]:  # fmt: skip
    """The sweep and what is asked of it; ScenarioError on what cannot be swept."""
    from harness.scenario import ScenarioError
    from harness.tuning.question import Question, deciding_phase
    from harness.tuning.sizes import USUAL_MEMORY, USUAL_VCPU, parse_memory, parse_vcpu
    from harness.tuning.sweep import sweep

    kinds = {settings.kind for settings in scenario.placements.values()}
    if memory is not None and "function" not in kinds:
        raise ScenarioError(f"--memory: sizes functions, and there is none among {list(scenario.placements)}")
    if vcpu is not None and kinds == {"function"}:
        raise ScenarioError(
            f"--vcpu: sizes jobs and tasks, and there are none among {list(scenario.placements)}"
        )
    made = sweep(
        scenario,
        parse_memory(USUAL_MEMORY if memory is None else memory),
        parse_vcpu(USUAL_VCPU if vcpu is None else vcpu),
    )
    price: Any = basis.replace("-", " ")
    return made, Question(deciding_phase(scenario, phase), time, price, weight)


def _judged(run: Run) -> bool:
    """Whether each placement has a size to choose, or is known to fail at every one."""
    from harness.tuning.picture import picture_of

    picture = picture_of(run)
    if picture is None or picture.sizes.empty:
        return False
    known = picture.sizes["works"] | (picture.sizes["problem"] != "")
    return bool(known.groupby(picture.sizes["placement"]).any().all())
