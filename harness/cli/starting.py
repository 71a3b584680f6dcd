"""What commands share that start a run: the scenario as asked for, the request, and the run with its progress."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.exits import FAILED, INTERRUPTED, fail
from harness.cli.options import showing

if TYPE_CHECKING:
    from harness.cli.progress import Watch
    from harness.scenario import Scenario
    from harness.session import Request

LEFT_AT_ONCE = (
    "left at once. `harness report {folder}` reports on what was measured; "
    "`harness doctor --clean` removes the containers that were left"
)


def scenario_asked(
    name: str, placements: str | None = None, repeat: int | None = None, seed: int | None = None
) -> Scenario:
    """The scenario of that name or file, with what the options say in place of its own. ScenarioError if it is none."""
    from harness import scenario

    chosen = scenario.load(scenario.find(name))
    if placements is not None:
        chosen = chosen.only([part.strip() for part in placements.split(",")])
    changes = {key: value for key, value in (("blocks", repeat), ("seed", seed)) if value is not None}
    return chosen.model_copy(update=changes)


def request_for(scenario: Scenario, engine: Any, corpus: Path | None, out: Path, **more: Any) -> Request:
    """The request for a run of it."""
    from harness import session

    return session.Request(
        scenario, engine, out.resolve(), corpus and corpus.resolve(), tuple(sys.argv[1:]), **more
    )


def carry_out(request: Request, *, quiet: bool) -> tuple[Path, str]:
    """Run it: the run folder, and how it ended. Exits as `begin` does."""
    from harness import session

    return begin(lambda watch: session.run(request, watch), quiet=quiet)


def begin(work: Callable[[Watch], tuple[Path, str]], *, quiet: bool) -> tuple[Path, str]:
    """Do it, with progress; exits if it cannot begin or is interrupted before it has."""
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
        fail(f"the run could not begin: {error}", FAILED)
    except KeyboardInterrupt:
        if watch.run is None:
            fail("interrupted before the first measurement; nothing was kept", INTERRUPTED)
        fail(LEFT_AT_ONCE.format(folder=watch.run.folder), INTERRUPTED)
