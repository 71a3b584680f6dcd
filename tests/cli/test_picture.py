"""What the view knows of a run: counts, latencies, containers, memory, CPU, time left, and what is of note."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.notes import Notes
from harness.cli.picture import Picture, clock, quantile
from harness.cli.tally import RECENT, ArmTally, Life, State, Tally
from harness.rows import NO_BLOCK
from tests.cli.runs import SECOND, a_picture, an_arm, begun
from tests.rows import a_sample, an_attempt, an_event


def test_an_arm_is_counted_by_block_and_by_run() -> None:
    tally = a_picture().tally
    function, service = tally.arms["function"], tally.arms["service"]
    assert (function.state, service.state) == (State.RUNNING, State.WAITING)
    assert (function.ok, function.block_ok, service.ok) == (4, 1, 3)
    assert list(function.block_recent_s) == [0.4]
    assert list(function.recent_s) == [0.1, 0.2, 0.3, 0.4]
    assert (function.phase, function.tried, function.planned) == ("steady", 1, 2)
    assert tally.running is function


def test_failures_are_told_apart_and_have_no_latency() -> None:
    arm = ArmTally("function")
    arm.attempt(an_attempt(outcome="timeout", latency_s=9.0))
    arm.attempt(an_attempt(outcome="ok", attempt=2, latency_s=1.0))
    assert (arm.ok, arm.failed, list(arm.recent_s)) == (1, 1, [1.0])


def test_a_second_try_at_an_item_is_no_other_item() -> None:
    tally = Tally(["function"])
    for row in an_arm("function", 0, 0.0, 1.0, (), ends=False):
        tally.take(row)
    for number in (1, 2):
        tally.take(an_attempt(attempt=number))
    assert tally.arms["function"].tried == 1


def test_the_harness_measuring_itself_is_no_result() -> None:
    picture = Picture(begun(), 0.0)
    for row in an_arm("function", NO_BLOCK, 0.0, 5.0, (0.1,)):
        picture.take(row)
    function = picture.tally.arms["function"]
    assert (function.ok, function.blocks, function.state) == (0, 0, State.DONE)
    assert picture.tally.arm_s() is None


def test_containers_memory_and_cpu_are_those_of_now() -> None:
    function = a_picture().tally.arms["function"]
    (container,) = function.containers.values()
    assert (container.life, container.memory_bytes) == (Life.RUNNING, 2**21)
    assert container.vcpu() == pytest.approx(0.5)
    assert function.peak_bytes == 2**22
    function.event(an_event(kind="container_ended", container="function-1"))
    function.sample(a_sample(arm="function", container="function-1", memory_bytes=1, final=True))
    assert function.containers == {}


@pytest.mark.parametrize(
    ("kind", "life"),
    [
        ("container_created", Life.CREATED),
        ("container_frozen", Life.FROZEN),
        ("container_thawed", Life.RUNNING),
    ],
)
def test_containers_live_and_freeze(kind: str, life: Life) -> None:
    arm = ArmTally("function")
    arm.event(an_event(kind=kind, container="c"))
    assert arm.containers["c"].life == life


def test_what_belongs_to_a_service_is_not_counted_among_its_tasks() -> None:
    tally = Tally(["service"])
    tally.take(an_event(arm="service-balancer", kind="container_started", container="lb"))
    tally.take(a_sample(arm="service-balancer", container="lb", memory_bytes=5))
    assert tally.arms["service"].containers == {}
    tally.take(a_sample(container="host", host_cpu_fraction=0.25))
    assert tally.host_cpu == 0.25


def test_memory_does_not_grow_with_the_run() -> None:
    tally = Tally(["function"])
    for number in range(3 * RECENT):
        tally.take(an_attempt(latency_s=float(number)))
    arm = tally.arms["function"]
    assert (arm.ok, len(arm.recent_s), arm.recent_s[-1]) == (3 * RECENT, RECENT, 3 * RECENT - 1)


def test_time_left_is_told_from_blocks_that_have_ended() -> None:
    picture = a_picture()
    # 18 arms of 3 s on average are left, and the present one has run for 1 s.
    assert picture.left_s(108.0) == pytest.approx(18 * 3.0 - 1.0)
    assert picture.left_s(1000.0) == pytest.approx(17 * 3.0)
    picture.is_ending = True
    assert picture.left_s(108.0) is None


def test_time_left_is_not_told_before_a_block_has_ended() -> None:
    picture = Picture(begun(), 0.0)
    picture.steps = 21
    for row in an_arm("function", 0, 0.0, 2.0, (0.1,)):
        picture.take(row)
    assert picture.left_s(2.0) is None


def test_a_time_budget_bounds_what_is_left() -> None:
    picture = a_picture(budget_s=20.0)
    assert picture.left_s(108.0) == pytest.approx(20.0 - 8.0)
    assert picture.left_s(200.0) == 0.0


def test_an_arm_that_has_ended_is_a_line() -> None:
    picture = a_picture()
    ended = an_event(arm="function", block=1, at_ns=9 * SECOND, kind="arm_ended")
    picture.take(ended)
    told = "block 2 of 10: function · 1 ok, 0 failed · p50 400 ms · 2.00 s · about "
    assert picture.line(ended, 109.0).startswith(told)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_quantiles_are_values_in_order(values: list[float]) -> None:
    low, middle, high = (quantile(values, share) for share in (0.0, 0.5, 0.95))
    assert low == min(values)
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low <= middle <= high <= max(values)
    assert {low, middle, high} <= set(values)


@pytest.mark.parametrize(
    ("value_s", "told"), [(0.4, "0:00"), (59.6, "1:00"), (3599.9, "1:00:00"), (3725, "1:02:05")]
)
def test_clock(value_s: float, told: str) -> None:
    assert clock(value_s) == told


def note(**event: object) -> list[tuple[str, str, int]]:
    notes = Notes()
    notes.take(an_event(**event))
    return [(each.arm, each.words, each.times) for each in notes.kept]


def test_events_of_note_are_told_in_words() -> None:
    dead = json.dumps({"exit_code": 137, "out_of_memory": True})
    assert note(kind="container_ended", detail=dead) == [
        ("function", "a container was killed: out of memory", 1)
    ]
    crashed = json.dumps({"exit_code": 3, "out_of_memory": False})
    assert note(kind="container_ended", detail=crashed)[0][1] == "a container ended with exit code 3"
    launched = json.dumps({"compute": "SPOT", "type": "c7a.large", "instance": "i-1"})
    assert note(kind="instance_launching", detail=launched)[0][1] == "an instance launches: c7a.large"
    restarted = note(kind="balancer_restarted", arm="service-balancer", container="lb")
    assert restarted == [("service", "balancer restarted", 1)]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("container_ended", {"exit_code": 0, "out_of_memory": False}),
        ("container_ended", {"exit_code": 143, "out_of_memory": False}),
        ("deployment_completed", {"revision": 1, "running": 2, "desired": 2, "failures": 0}),
        ("task_state", {"state": "RUNNING", "revision": 1}),
        ("job_state", {"job": "j", "state": "SUCCEEDED", "reason": ""}),
        ("instance_launching", {"compute": "FARGATE", "type": "fargate", "instance": "i"}),
        ("container_frozen", {}),
    ],
)
def test_the_usual_is_not_of_note(kind: str, detail: dict[str, object]) -> None:
    assert note(kind=kind, detail=json.dumps(detail)) == []


def test_the_same_in_a_row_is_told_once_with_its_number() -> None:
    notes = Notes()
    for at_ns in range(40):
        notes.take(an_event(kind="throttled", detail='{"reason": "Rate"}', at_ns=at_ns))
    notes.take(an_event(kind="throttled", detail='{"reason": "Rate"}', arm="service"))
    assert [(each.arm, each.times, each.at_ns) for each in notes.kept] == [
        ("function", 40, 39),
        ("service", 1, 0),
    ]
