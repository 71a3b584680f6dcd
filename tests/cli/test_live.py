"""What is drawn fits the terminal, shows every arm, and comes to nothing of a view where there is no terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.cli.figures import SPARK, spark
from harness.cli.live import draw
from harness.cli.picture import Picture
from harness.cli.progress import Watch, mode
from tests.cli.runs import a_picture, an_arm, begun
from tests.rows import an_event


def lines(picture: Picture, width: int, height: int) -> list[str]:
    return draw(picture, 108.0, width, height).plain.splitlines()


def test_arms_are_columns_side_by_side() -> None:
    found = {line[:12].strip(): line[12:].split() for line in lines(a_picture(), 80, 24)}
    assert found[""] == ["function", "service"]
    assert found["this block"] == ["▶", "running", "waiting"]
    assert found["ok"] == ["4", "3"]
    assert found["in flight"] == ["3", "-"]
    assert found["block p50"] == ["400", "ms", "200", "ms"]
    assert found["recent p95"] == ["400", "ms", "300", "ms"]
    assert found["containers"] == ["1", "up", "-"]
    assert found["memory now"] == ["2.00", "MiB", "-"]
    assert found["peak of one"] == ["4.00", "MiB", "4.00", "MiB"]
    assert found["CPU"] == ["0.50", "vCPU", "-"]


def test_containers_are_told_by_where_they_are_in_their_lives() -> None:
    picture = a_picture()
    for name, kind in (("a", "container_frozen"), ("b", "container_frozen"), ("c", "container_created")):
        picture.take(an_event(block=1, kind=kind, container=name))
    (line,) = (line for line in lines(picture, 100, 24) if line.startswith("containers"))
    assert "1 up, 2 frozen, 1 new" in line


def test_the_head_tells_what_runs_and_how_long_it_will() -> None:
    title, folder, what, bar = lines(a_picture(), 80, 24)[:4]
    assert title == "A title"
    assert folder == "/results/r"
    assert what == "block 2 of 10: function"
    assert bar.endswith("3 of 21 · 0:08 elapsed · about 0:53 left")


def test_the_running_arm_is_among_those_that_many_arms_leave_room_for() -> None:
    names = tuple(f"function-{size}" for size in range(30))
    picture = a_picture(names)
    for row in [*an_arm(names[0], 1, 0.0, 1.0, ()), *an_arm(names[25], 1, 0.0, 1.0, (), ends=False)]:
        picture.take(row)
    found = lines(picture, 80, 24)
    assert any(line.startswith("▶ function-25") for line in found)
    assert "  and 14 more" in found


def test_notes_stand_below() -> None:
    picture = a_picture()
    reason = '{"reason": "ReservedFunctionConcurrencyLimitExceeded"}'
    picture.take(an_event(block=1, kind="throttled", detail=reason))
    assert lines(picture, 100, 30)[-1].endswith("throttled: ReservedFunctionConcurrencyLimitExceeded")


@given(st.integers(20, 300), st.integers(4, 100), st.integers(1, 40))
def test_it_never_leaves_the_terminal(width: int, height: int, arms: int) -> None:
    found = lines(a_picture(tuple(f"arm-{number}" for number in range(arms))), width, height)
    assert len(found) < height
    assert max(len(line) for line in found) < width


@given(st.lists(st.floats(0, 1e9)))
def test_sparks_are_as_many_as_the_last_values(values: list[float]) -> None:
    assert len(spark(values)) == min(SPARK, len(values))


def test_sparks_go_from_lowest_to_highest() -> None:
    assert spark([1.0, 2.0, 8.0]) == "▁▂█"


@pytest.mark.parametrize(("quiet", "live", "how"), [(True, True, "quiet"), (False, False, "lines")])
def test_without_a_terminal_or_when_asked_there_is_no_view(quiet: bool, live: bool, how: str) -> None:
    assert mode(quiet=quiet, live=live) == how


def test_a_view_that_fails_is_told_and_lets_the_run_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=80, height=24)
    monkeypatch.setattr("harness.cli.progress.Console", lambda stderr=False: terminal)
    monkeypatch.setattr("harness.cli.progress.draw", lambda *_: 1 / 0)
    with Watch("live", json=False) as watch:
        see = watch.begin(begun())
        assert see is not None
        watch.step("block 1 of 1: function")
    assert "the view failed (ZeroDivisionError: division by zero); the run goes on" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue(), "the cursor is shown again"


def test_quiet_takes_no_rows() -> None:
    with Watch("quiet", json=False) as watch:
        assert watch.begin(begun()) is None
