"""Progress on a terminal; when piped, only what a person must know."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Watch:
    """Who watches a run at the command line."""

    def __init__(self, *, quiet: bool) -> None:
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

    def __enter__(self) -> Watch:
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
