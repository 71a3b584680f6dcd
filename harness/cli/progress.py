"""Watches a run: a live view on a terminal, a line for each arm that has ended when piped, or warnings alone.

The event loop only appends to a queue. A thread counts rows in, draws and prints, so that no slow terminal can make
the driver late; whatever goes wrong in it, the run goes on. It draws for 1 ms, maybe holding the interpreter, and so
comes before ordinary threads, as the driver does: if a busy container put it off, it would put off the driver too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.live import Live

from harness.cli.live import draw
from harness.cli.picture import Picture
from harness.priority import prefer_this_thread
from harness.rows import Event
from harness.session import Begun, Row

Mode = Literal["live", "lines", "quiet"]
PERIOD_S = 0.5
# No run writes as many rows in a period: this bounds memory while a terminal takes nothing (Ctrl-S).
QUEUED = 100_000
ENDING = (
    "ending: keeping what was measured. Ctrl-C again cuts this short;\n"
    "a third leaves at once, and what is left is for `harness doctor --clean`"
)


def mode(*, quiet: bool, live: bool) -> Mode:
    """How to watch: live only on a terminal that can move its cursor and show the characters."""
    if quiet:
        return "quiet"
    console = Console(stderr=True)
    capable = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
    return "live" if live and capable else "lines"


@dataclass(frozen=True, slots=True)
class _Said:
    message: str


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    at_s: float


@dataclass(frozen=True, slots=True)
class _Planned:
    steps: int


@dataclass(frozen=True, slots=True)
class _Ending:
    pass


class Watch:
    """Who watches a run at the command line. Progress is on stderr; `json` moves what a person must know there too."""

    def __init__(self, how: Mode, *, json: bool) -> None:
        self._mode = how
        self._screen = Console(stderr=True)
        self._out = self._screen if how == "live" or json else Console()
        self._live = Live(console=self._screen, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._queue: deque[Row | Begun | _Said | _Step | _Planned | _Ending] = deque(maxlen=QUEUED)
        self._picture: Picture | None = None
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._loop, name="view", daemon=True)
        self.cpu_s = 0.0
        self.run: Begun | None = None

    def __enter__(self) -> Watch:
        if self._mode == "live":
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()
        self._live.stop()

    def begin(self, run: Begun) -> Callable[[Row], object] | None:
        """See `Progress`."""
        self.run = run
        self._queue.append(run)
        return None if self._mode == "quiet" else self._queue.append

    def ending(self) -> None:
        """See `Progress`."""
        self._tell(_Ending())

    def say(self, message: str) -> None:
        """Print a line, above the view if there is one."""
        self._tell(_Said(message))

    def plan(self, steps: int) -> None:
        """How many steps there will be in all."""
        self._queue.append(_Planned(steps))

    def step(self, what: str) -> None:
        """One step begins, so the one before has ended."""
        self._tell(_Step(what, time.monotonic()))

    def _tell(self, item: _Said | _Step | _Ending) -> None:
        """Something that is shown without delay."""
        self._queue.append(item)
        self._wake.set()

    def _loop(self) -> None:
        prefer_this_thread()
        ended = False
        while not ended:
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            ended = self._ended
            try:
                self._turn()
            except Exception as error:  # a terminal that has gone is no reason to lose a measurement
                self._give_up(error)
            self.cpu_s = time.thread_time()

    def _turn(self) -> None:
        """Take in all that is queued now, and draw."""
        for _ in range(len(self._queue)):
            self._take(self._queue.popleft())
        if self._mode == "live" and self._picture is not None:
            size = self._screen.size
            picture = draw(self._picture, time.monotonic(), size.width, size.height)
            self._live.update(picture, refresh=True)

    def _take(self, item: Row | Begun | _Said | _Step | _Planned | _Ending) -> None:
        picture = self._picture
        if isinstance(item, _Said):
            self._print(self._out, item.message)
        elif isinstance(item, Begun):
            self._picture = Picture(item, time.monotonic())
            self._line(f"run folder: {item.folder}")
        elif picture is None:
            return
        elif isinstance(item, _Step):
            picture.step(item.what, item.at_s)
        elif isinstance(item, _Planned):
            picture.steps = item.steps
        elif isinstance(item, _Ending):
            picture.is_ending = True
            self._print(self._screen, ENDING)
        else:
            picture.take(item)
            if isinstance(item, Event) and item.kind == "arm_ended":
                self._line(picture.line(item, time.monotonic()))

    def _line(self, line: str) -> None:
        if self._mode == "lines":
            self._print(self._screen, line)

    def _print(self, console: Console, line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _give_up(self, error: Exception) -> None:
        """No more than messages from now on."""
        self._mode = "quiet"
        with contextlib.suppress(Exception):
            self._live.stop()
            self._print(self._out, f"the view failed ({type(error).__name__}: {error}); the run goes on")
