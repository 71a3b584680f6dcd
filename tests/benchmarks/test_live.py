"""What watching costs: the event loop for each row, and the view's thread for each row and each picture, in CPU time.

The targets: 2 us a row in the event loop, where the driver is; 5 us a row and 3 ms a picture in the view's thread, of
which there are two a second. And pictures leave nothing behind for the collector, which rests while an arm runs.
"""

from __future__ import annotations

import gc
import io
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from harness.cli.live import draw
from harness.session import Row
from harness.session.watching import Tap
from tests.cli.runs import ARMS, a_picture
from tests.rows import an_attempt

pytestmark = pytest.mark.timed
ROWS = 10_000
IN_LOOP_S = 2e-6
IN_VIEW_S = 5e-6
PICTURE_S = 3e-3
PICTURES = 400


def each_s(work: Callable[[], object], count: int) -> float:
    """CPU time of one of `count` in this thread: the lowest of five."""
    taken = []
    for _ in range(5):
        before_s = time.thread_time()
        work()
        taken.append((time.thread_time() - before_s) / count)
    return min(taken)


class Nowhere:
    """A writer that keeps nothing."""

    def attempt(self, row: Row) -> None: ...


@pytest.mark.benchmark(group="live")
def test_showing_a_row_costs_the_event_loop_next_to_nothing(benchmark: Any) -> None:
    row, seen, nowhere = an_attempt(), deque[Row](maxlen=ROWS), Nowhere()
    tap = Tap(nowhere, seen.append)  # type: ignore[arg-type]

    def record(recorder: Any) -> None:
        for _ in range(ROWS):
            recorder.attempt(row)

    benchmark(record, tap)
    added_s = each_s(lambda: record(tap), ROWS) - each_s(lambda: record(nowhere), ROWS)
    benchmark.extra_info["added_ns"] = added_s * 1e9
    assert added_s < IN_LOOP_S


@pytest.mark.benchmark(group="live")
def test_counting_a_row_in_costs_the_view_little(benchmark: Any) -> None:
    picture, row = a_picture(), an_attempt(block=1)

    def count() -> None:
        for _ in range(ROWS):
            picture.take(row)

    benchmark(count)
    assert each_s(count, ROWS) < IN_VIEW_S


@pytest.mark.benchmark(group="live")
@pytest.mark.parametrize(("arms", "width"), [(4, 100), (30, 80)], ids=["columns", "lines"])
def test_a_picture_is_drawn_quickly_and_leaves_no_garbage(arms: int, width: int, benchmark: Any) -> None:
    picture = a_picture(tuple(f"{ARMS[number % 2]}-{number}" for number in range(arms)))
    terminal = Console(file=io.StringIO(), force_terminal=True, width=width, height=30)
    with Live(console=terminal, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:

        def refresh() -> None:
            live.update(draw(picture, 108.0, width, 30), refresh=True)

        def refresh_often() -> None:
            for _ in range(PICTURES):
                refresh()

        benchmark(refresh)
        gc.collect()
        gc.disable()
        try:
            taken_s = each_s(refresh_often, PICTURES)
            left = gc.collect()
        finally:
            gc.enable()
    assert taken_s < PICTURE_S
    assert left < PICTURES, "less than one object a picture"
