"""The scheduler of services, on virtual time and without containers: counts, health, deployments, stopping."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as some

from harness.engines.base import EngineError
from harness.placements.service.control import threshold
from harness.placements.service.health import HealthCheck
from harness.placements.service.task import Task
from tests.placements.service.lab import (
    Breaking,
    FakeContainer,
    Lab,
    carry_out,
    ordinary,
    settings,
    unless_broken,
)

QUICK = {"health": {"interval_s": 1, "timeout_s": 1, "retries": 3, "start_period_s": 5}}
AWS_HEALTH = {"interval_s": 30, "timeout_s": 5, "retries": 3, "start_period_s": 0}


def test_it_opens_with_the_desired_count_running() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        assert len(lab.service.running) == 3

    lab = carry_out(settings(tasks=3), body)
    assert lab.states() == ["started 1", "completed 1"]


def test_a_task_passes_through_ecs_states_in_order() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()

    lab = carry_out(settings(tasks=1), body)
    states = [told.removeprefix("task0 ") for _, told in lab.log]
    assert states == [
        "PENDING", "ACTIVATING", "registered", "RUNNING", "DEACTIVATING", "draining", "drained", "STOPPING", "SIGTERM",
        "STOPPED",
    ]  # fmt: skip


def test_a_task_that_dies_is_replaced() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.containers["task0"].die(137)
        await asyncio.sleep(5)
        assert {task.name for task in lab.service.running} == {"task1", "task2"}

    lab = carry_out(settings(tasks=2), body)
    assert lab.states() == ["started 1", "completed 1"], "no deployment, just a replacement"


def test_awss_own_health_settings_leave_a_container_its_time_to_come_up() -> None:
    def slow(task: object, log: list[tuple[float, str]]) -> FakeContainer:
        return FakeContainer("slow", log, healthy_after_s=60.0)

    async def body(lab: Lab) -> None:
        await lab.service.open()
        assert 60 <= asyncio.get_running_loop().time() < 62

    carry_out(settings(tasks=1, health=AWS_HEALTH, healthy_within_s=200), body, slow)


def test_awss_own_health_settings_end_one_that_never_comes_up_after_three_intervals() -> None:
    def never(task: object, log: list[tuple[float, str]]) -> FakeContainer:
        return FakeContainer("never", log, healthy_after_s=None)

    async def body(lab: Lab) -> None:
        with pytest.raises(EngineError, match="failed container health checks"):
            await lab.service.open()
        assert 270 <= asyncio.get_running_loop().time() < 330, "three tasks, three intervals each"

    carry_out(settings(tasks=1, health=AWS_HEALTH, healthy_within_s=600), body, never)


def test_a_task_that_hangs_is_replaced_first_then_drained_then_killed() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.balancer.drain_s = 7
        lab.containers["task0"].hangs = lab.containers["task0"].stubborn = True
        lab.log.append((asyncio.get_running_loop().time(), "hung"))
        await asyncio.sleep(120)
        assert {task.name for task in lab.service.running} == {"task1", "task2"}

    lab = carry_out(settings(tasks=2, stop_timeout_s=10, **QUICK), body)
    # Three checks, each of which waits a second for an answer and a second for the next one.
    assert lab.at("task2 PENDING") - lab.at("hung") == pytest.approx(5, abs=1.01)
    assert lab.at("task0 DEACTIVATING") == pytest.approx(lab.at("task2 RUNNING"), abs=0.01)
    assert lab.at("task0 SIGTERM") == pytest.approx(lab.at("task0 DEACTIVATING") + 7)
    assert lab.at("task0 SIGKILL") == pytest.approx(lab.at("task0 SIGTERM") + 10)


def test_a_task_that_the_load_balancer_finds_sick_is_replaced_after_the_grace_period() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.balancer.sick.add("task1")
        await asyncio.sleep(100)
        assert {task.name for task in lab.service.running} == {"task0", "task2"}

    lab = carry_out(settings(tasks=2, grace_period_s=40), body)
    assert lab.at("task2 PENDING") == pytest.approx(lab.at("task1 PENDING") + 40, abs=0.2)
    assert lab.at("task1 DEACTIVATING") == pytest.approx(lab.at("task2 RUNNING"), abs=0.01)


def test_without_room_beside_them_unhealthy_tasks_are_stopped_first() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.containers["task0"].hangs = True
        await asyncio.sleep(60)
        assert {task.name for task in lab.service.running} == {"task1", "task2"}

    lab = carry_out(settings(tasks=2, max_percent=100, **QUICK), body)
    assert lab.at("task0 DEACTIVATING") <= lab.at("task2 PENDING")


def test_closing_does_not_wait_for_a_task_that_drains() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.balancer.drain_s = 1e9
        lab.service.scale(1)
        await asyncio.sleep(1)
        begun_s = asyncio.get_running_loop().time()
        await lab.service.close()
        assert asyncio.get_running_loop().time() - begun_s < 1

    carry_out(settings(tasks=2), body)


def test_a_life_that_is_cut_short_leaves_nothing_behind() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.balancer.drain_s = 1e9
        lab.service.scale(1)
        await asyncio.sleep(1)
        (draining,) = [life for task, life in lab.service._lives.items() if task.leaving]
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        left = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        assert not {name for name in left if "deregister" in name}, left

    carry_out(settings(tasks=2), body)


def test_draining_ends_with_the_deregistration_delay() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.balancer.drain_s = 1e9
        lab.service.scale(1)
        await asyncio.sleep(400)

    lab = carry_out(settings(tasks=2), body)
    assert lab.at("task1 SIGTERM") == pytest.approx(lab.at("task1 draining") + 300)


def test_a_service_that_does_not_come_up_says_what_its_tasks_printed() -> None:
    def dead(task: object, log: list[tuple[float, str]]) -> FakeContainer:
        container = ordinary(task, log)  # type: ignore[arg-type]
        container.die(3)
        return container

    with pytest.raises(
        EngineError, match=r"ended with exit code 3 before it was healthy.*these were its words"
    ):
        carry_out(settings(tasks=2), lambda lab: lab.service.open(), dead)


def test_a_service_that_is_slow_says_where_its_tasks_stand() -> None:
    def slow(task: object, log: list[tuple[float, str]]) -> FakeContainer:
        return FakeContainer("slow", log, healthy_after_s=None)

    told = r"not up within 20 s: task0 is PENDING; it printed: these were its words; task1 is PENDING"
    with pytest.raises(EngineError, match=re.escape(told)):
        carry_out(settings(tasks=2, healthy_within_s=20), lambda lab: lab.service.open(), slow)


def test_without_circuit_breaker_a_service_that_does_not_come_up_says_why() -> None:
    def dead(task: object, log: list[tuple[float, str]]) -> FakeContainer:
        container = ordinary(task, log)  # type: ignore[arg-type]
        container.die(3)
        return container

    chosen = settings(tasks=1, circuit_breaker=False, healthy_within_s=20)
    with pytest.raises(EngineError, match=r"the last that ended: .*exit code 3"):
        carry_out(chosen, lambda lab: lab.service.open(), dead)


def test_a_deployment_replaces_every_task_and_never_has_fewer_than_desired() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.counts.clear()
        lab.service.deploy({"VERSION": "2"})
        await lab.service.settled()
        assert {task.revision.number for task in lab.service.running} == {2}
        await asyncio.sleep(0.01)
        during.extend(lab.counts)

    during: list[tuple[int, int]] = []
    lab = carry_out(settings(tasks=4), body)
    assert lab.states() == ["started 1", "completed 1", "started 2", "completed 2"]
    assert min(running for running, _ in during) == 4
    assert max(staying for _, staying in during) == 8


any_percentages = given(
    tasks=some.integers(1, 6),
    least=some.integers(0, 100),
    most=some.integers(100, 300),
    starts=some.lists(some.floats(0, 20), min_size=1, max_size=8),
    sick=some.sets(some.integers(0, 5)),
)


def with_percentages(
    tasks: int, least: int, most: int, starts: list[float], body: Callable[[Lab], Coroutine[Any, Any, None]]
) -> None:
    """Carry it out with containers that take turns at being healthy after `starts` seconds."""

    def make(task: Task, log: list[tuple[float, str]]) -> FakeContainer:
        container = ordinary(task, log)
        container.healthy_after_s = starts[len(log) % len(starts)]
        return container

    carry_out(
        settings(tasks=tasks, min_healthy_percent=least, max_percent=most, healthy_within_s=600,
                 health={"start_period_s": 60}),
        body, make,
    )  # fmt: skip


@effort(max_examples=60, deadline=None)
@any_percentages
def test_a_deployment_keeps_within_both_percentages(
    tasks: int, least: int, most: int, starts: list[float], sick: set[int]
) -> None:
    fewest, room = math.ceil(tasks * least / 100), tasks * most // 100
    assume(room > fewest)  # nothing could be stopped, and nothing started: a scenario may not ask for it

    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.counts.clear()
        lab.balancer.sick |= {f"task{number}" for number in sick if number < tasks}
        lab.service.deploy({})
        await lab.service.settled()
        assert all(fewest <= running and staying <= room for running, staying in lab.counts), lab.counts
        assert {task.revision.number for task in lab.service.running} == {2}
        assert len(lab.service.running) == tasks

    with_percentages(tasks, least, most, starts, body)


@pytest.mark.parametrize(
    ("tasks", "max_percent", "sick", "fewest"),
    [(1, 200, 1, 1), (2, 150, 1, 2), (2, 200, 2, 2), (4, 125, 4, 4), (2, 100, 2, 1), (1, 100, 1, 0)],
)
def test_unhealthy_tasks_are_replaced_and_no_fewer_run_meanwhile(
    tasks: int, max_percent: int, sick: int, fewest: int
) -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.counts.clear()
        lab.balancer.sick |= {f"task{number}" for number in range(sick)}
        await asyncio.sleep(60)
        assert min(running for running, _ in lab.counts) == fewest
        assert max(staying for _, staying in lab.counts) <= tasks * max_percent // 100
        assert len(lab.service.running) == len(lab.service.tasks) == tasks

    carry_out(settings(tasks=tasks, max_percent=max_percent), body)


@effort(max_examples=60, deadline=None)
@any_percentages
def test_whichever_are_unhealthy_the_percentages_are_kept_and_all_are_replaced(
    tasks: int, least: int, most: int, starts: list[float], sick: set[int]
) -> None:
    room = tasks * most // 100
    fewest = min(math.ceil(tasks * least / 100), room - 1)
    names = {f"task{number}" for number in sick if number < tasks}

    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.counts.clear()
        lab.balancer.sick |= names
        await asyncio.sleep(200)
        assert all(fewest <= running and staying <= room for running, staying in lab.counts), lab.counts
        assert len(lab.service.running) == len(lab.service.tasks) == tasks
        assert not names & {task.name for task in lab.service.tasks}

    with_percentages(tasks, least, most, starts, body)


def test_an_unhealthy_task_stays_while_its_replacements_do_not_come_up() -> None:
    make = Breaking()

    async def body(lab: Lab) -> None:
        await lab.service.open()
        make.broken = True
        lab.counts.clear()
        lab.balancer.sick |= {"task0", "task1"}
        await asyncio.sleep(30)
        assert min(running for running, _ in lab.counts) == 2

    carry_out(settings(tasks=2, max_percent=150), body, make)


@pytest.mark.parametrize("mode", ["broken", "refused"])
def test_a_broken_deployment_is_rolled_back_and_the_old_tasks_go_on(mode: str) -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.counts.clear()
        lab.service.deploy({"MODE": mode})
        await lab.service.settled()
        assert {task.revision.number for task in lab.service.running} == {1}
        assert min(running for running, _ in lab.counts) == 2

    lab = carry_out(settings(tasks=2), body, unless_broken)
    assert lab.states() == [
        "started 1",
        "completed 1",
        "started 2",
        "failed 2",
        "rolled_back 1",
        "completed 1",
    ]
    failed = next(each for each in lab.progress if each.state == "failed")
    assert failed.failures == threshold(2) == 3


def test_without_rollback_a_broken_deployment_stops_and_the_old_tasks_stay() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.service.deploy({"MODE": "broken"})
        await lab.service.settled()
        await asyncio.sleep(60)
        assert {task.revision.number for task in lab.service.running} == {1}

    lab = carry_out(settings(tasks=2, rollback=False), body, unless_broken)
    assert lab.states()[-1] == "failed 2"


def test_after_a_failure_without_rollback_the_old_revision_is_kept_at_count() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.service.deploy({"MODE": "broken"})
        await lab.service.settled()
        lab.containers["task0"].die(1)
        await asyncio.sleep(30)
        assert [task.revision.number for task in lab.service.running] == [1, 1]
        lab.service.scale(4)
        await asyncio.sleep(30)
        assert [task.revision.number for task in lab.service.running] == [1, 1, 1, 1]

    carry_out(settings(tasks=2, rollback=False), body, unless_broken)


def test_a_rollback_that_fails_as_well_goes_on_trying_and_tells_once() -> None:
    make = Breaking()

    async def body(lab: Lab) -> None:
        await lab.service.open()
        make.broken = True
        lab.service.deploy({})
        for container in list(lab.containers.values()):
            container.die(1)
        await asyncio.sleep(60)
        make.broken = False
        await asyncio.sleep(10)
        assert len(lab.service.running) == 2

    lab = carry_out(settings(tasks=2), body, make)
    assert lab.states().count("failed 2") == lab.states().count("failed 1") == 1
    assert lab.states().count("rolled_back 1") == 1


def test_without_circuit_breaker_it_goes_on_trying_with_longer_pauses() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.service.deploy({"MODE": "broken"})
        await asyncio.sleep(60)

    lab = carry_out(settings(tasks=2, circuit_breaker=False), body, unless_broken)
    assert "failed 2" not in lab.states()
    tried = len([told for _, told in lab.log if told.endswith("STOPPED")])
    assert 10 < tried < 60, "it neither gives up nor spins"


@pytest.mark.parametrize(("desired", "failures"), [(1, 3), (2, 3), (6, 3), (7, 4), (100, 50), (1000, 200)])
def test_the_circuit_breaker_trips_after_half_the_desired_count(desired: int, failures: int) -> None:
    assert threshold(desired) == failures


def test_it_scales_out_and_in() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.service.scale(5)
        await asyncio.sleep(5)
        assert len(lab.service.running) == 5
        lab.service.scale(2)
        await asyncio.sleep(5)
        assert {task.name for task in lab.service.running} == {"task0", "task1"}, "the newest go first"

    carry_out(settings(tasks=2), body)


@pytest.mark.parametrize("after_s", [0.1, 0.9])
def test_a_scale_in_during_a_deployment_is_no_failure_of_it(after_s: float) -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        lab.service.deploy({})
        await asyncio.sleep(after_s)
        lab.service.scale(1)
        await lab.service.settled()
        assert [task.revision.number for task in lab.service.running] == [2]

    lab = carry_out(settings(tasks=4), body)
    assert lab.states() == ["started 1", "completed 1", "started 2", "completed 2"]
    assert {each.failures for each in lab.progress} == {0}


def test_tasks_that_were_stopped_before_they_ran_hold_up_no_others() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        for desired in (8, 2, 8, 2, 8):
            lab.service.scale(desired)
            await asyncio.sleep(0.1)
        begun_s = asyncio.get_running_loop().time()
        while len(lab.service.running) < 8:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - begun_s < 1.2, "no pause as after failures"

    carry_out(settings(tasks=2), body)


def test_launches_take_their_assumed_time_once_the_service_is_up() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        assert asyncio.get_running_loop().time() < 2
        lab.rooms.launches_take_time()
        lab.service.scale(3)
        begun_s = asyncio.get_running_loop().time()
        await asyncio.sleep(60)
        assert lab.at("task2 PENDING") == pytest.approx(begun_s + 35)

    lab = carry_out(settings(tasks=2, launch={"median_s": 35}), body)
    delays = [instance.delay_s for state, instance in lab.instances if state == "launching"]
    assert delays == [0, 0, pytest.approx(35)]


def test_tasks_are_packed_on_ec2_instances() -> None:
    async def body(lab: Lab) -> None:
        await lab.service.open()
        launched = [instance for state, instance in lab.instances if state == "launching"]
        assert len(launched) == 2, "three tasks fit on one instance, by memory"
        assert sorted(len(instance.jobs) for instance in launched) == [2, 3]
        lab.service.scale(3)
        await asyncio.sleep(5)
        assert [state for state, _ in lab.instances].count("ended") == 1, "an instance without tasks goes"

    types = [{"name": "m5.large", "vcpu": 2, "memory_mb": 3 * 1024 + 512}]
    carry_out(settings(tasks=5, compute="EC2", instances=types), body)


@given(
    outcomes=some.lists(some.booleans(), max_size=40),
    retries=some.integers(1, 5),
    start_period_s=some.floats(0, 20),
)
def test_health_needs_so_many_failures_in_a_row_outside_the_start_period(
    outcomes: list[bool], retries: int, start_period_s: float
) -> None:
    check = HealthCheck(retries, 1.0, start_period_s)
    row, ever = 0, False
    for age_s, passed in enumerate(outcomes, start=1):
        ever = ever or passed
        row = 0 if passed else row + (ever or age_s >= start_period_s)
        state = check.observe(passed, age_s)
        if row >= retries:
            assert state == "unhealthy"
            return
        assert state == ("healthy" if ever else "starting")
