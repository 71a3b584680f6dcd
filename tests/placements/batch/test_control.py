"""Batch's control plane on virtual time: states, retries, timeouts, arrays, dependencies, queues and capacity."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placements.batch.jobs import ArrayJob, Dependency, Job, SubmitError
from harness.placements.batch.queues import FairShare
from harness.placements.batch.retries import Ending, RetryStrategy, Rule
from harness.placements.batch.states import FOLLOWING, FOLLOWING_OF_PARENT, State
from harness.placements.capacity import Delay, EnvironmentSettings, InstanceType
from tests.placements.batch.lab import Lab, Script, a_job, definition, ec2, fargate, on_batch

S = State


def test_a_job_passes_through_its_states() -> None:
    async def check(lab: Lab) -> None:
        job = lab.batch.submit(a_job())
        await lab.batch.done(job)
        assert lab.states(job) == [S.SUBMITTED, S.RUNNABLE, S.STARTING, S.RUNNING, S.SUCCEEDED]
        assert lab.when(job, S.SUCCEEDED) == [1.0]

    on_batch(check)


def test_a_failed_job_is_tried_as_often_as_it_may_be() -> None:
    async def check(lab: Lab) -> None:
        job = lab.batch.submit(a_job(retries=RetryStrategy(attempts=3)))
        assert isinstance(job, Job)
        await lab.batch.done(job)
        assert [made.ending.exit_code for made in job.attempts] == [1, 2, 0]
        assert lab.states(job).count(S.RUNNABLE) == 3
        lost = lab.batch.submit(a_job("lost", retries=RetryStrategy(attempts=2)))
        await lab.batch.done(lost)
        assert (lost.state, lost.reason) == (S.FAILED, "Essential container in task exited")

    on_batch(check, scripts={"job": Script(codes=(1, 2, 0)), "lost": Script(codes=(5,))})


@pytest.mark.parametrize(
    ("rules", "ending", "again"),
    [
        ((), Ending(exit_code=1), True),
        ((Rule(action="EXIT", on_exit_code="1"),), Ending(exit_code=1), False),
        ((Rule(action="EXIT", on_exit_code="1"),), Ending(exit_code=12), True),
        ((Rule(action="EXIT", on_exit_code="1*"),), Ending(exit_code=137), False),
        ((Rule(action="EXIT", on_exit_code="1", on_reason="Out*"),), Ending(exit_code=1), True),
        (
            (Rule(action="RETRY", on_status_reason="Host EC2*"), Rule(action="EXIT", on_reason="*")),
            Ending(exit_code=None, status_reason="Host EC2 (instance i-1) terminated."),
            True,
        ),
        (
            (Rule(action="RETRY", on_status_reason="Host EC2*"), Rule(action="EXIT", on_reason="*")),
            Ending(exit_code=1),
            False,
        ),
        ((), Ending(exit_code=143, final=True), False),
    ],
)
def test_rules_decide_on_retries(rules: tuple[Rule, ...], ending: Ending, again: bool) -> None:
    assert RetryStrategy(attempts=5, rules=rules).again(ending, 1) is again
    assert not RetryStrategy(attempts=5, rules=rules).again(ending, 5)


@pytest.mark.parametrize(("heeds", "ended_s"), [(True, 60.0), (False, 90.0)])
def test_a_timeout_is_sigterm_then_sigkill_and_is_not_tried_again(heeds: bool, ended_s: float) -> None:
    async def check(lab: Lab) -> None:
        job = lab.batch.submit(a_job(timeout_s=60, retries=RetryStrategy(attempts=5)))
        assert isinstance(job, Job)
        await lab.batch.done(job)
        assert (job.state, job.reason) == (S.FAILED, "Job attempt duration exceeded timeout")
        assert len(job.attempts) == 1
        assert lab.when(job, S.FAILED) == [ended_s]

    on_batch(check, scripts={"job": Script(took_s=1000, heeds_sigterm=heeds)})


def test_a_container_that_cannot_be_started_fails_its_job() -> None:
    async def check(lab: Lab) -> None:
        job = lab.batch.submit(a_job())
        assert isinstance(job, Job)
        await lab.batch.done(job)
        assert (job.state, job.reason) == (S.FAILED, "Task failed to start")
        assert job.attempts[0].ending.reason == "CannotStartContainerError: no such image"
        assert job.attempts[0].started_ns is None

    on_batch(check, scripts={"job": Script(cannot_start=True)})


def test_cancel_ends_what_waits_and_terminate_what_runs() -> None:
    async def check(lab: Lab) -> None:
        runs, waits = lab.batch.submit(a_job("runs")), lab.batch.submit(a_job("waits"))
        await asyncio.sleep(1)
        for job in (runs, waits):
            lab.batch.cancel(job.id, "not any more")
        assert (runs.state, waits.state, waits.reason) == (S.RUNNING, S.FAILED, "not any more")
        lab.batch.terminate(runs.id, "enough")
        await lab.batch.done(runs)
        assert (runs.state, runs.reason) == (S.FAILED, "enough")
        with pytest.raises(KeyError):
            lab.batch.cancel("nobody", "")

    on_batch(check, fargate(1.0), scripts={"runs": Script(took_s=1000)})


def test_room_that_was_made_for_a_cancelled_job_is_given_up() -> None:
    async def check(lab: Lab) -> None:
        small, large = lab.batch.submit(a_job(vcpu=0.5)), lab.batch.submit(a_job(vcpu=2.0))
        await asyncio.sleep(1)
        lab.batch.cancel(small.id, "not any more")
        async with asyncio.timeout(100):
            await lab.batch.done(large)
        assert large.state is S.SUCCEEDED

    on_batch(check, fargate(2.0, launch=Delay(median_s=5.0)))


def test_an_array_ends_with_its_last_child() -> None:
    async def check(lab: Lab) -> None:
        array = lab.batch.submit(a_job(array_size=5))
        assert isinstance(array, ArrayJob)
        assert array.state is S.PENDING
        await asyncio.sleep(0.5)
        assert array.summary()["RUNNING"] == 2
        assert array.children[3].environment()["AWS_BATCH_JOB_ARRAY_INDEX"] == "3"
        assert array.children[3].id == f"{array.id}:3"
        await lab.batch.done(array)
        assert (array.state, array.summary()["SUCCEEDED"]) == (S.SUCCEEDED, 5)
        assert lab.now_s == 3.0, "two at a time"
        assert lab.most_vcpu == 2.0
        bad = lab.batch.submit(a_job("bad", array_size=2))
        await lab.batch.done(bad)
        assert bad.state is S.FAILED

    on_batch(check, fargate(2.0), scripts={"bad": Script(codes=(1,))})


@pytest.mark.parametrize("size", [0, 1, 10_001])
def test_an_array_has_2_to_10_000_children(size: int) -> None:
    async def check(lab: Lab) -> None:
        with pytest.raises(SubmitError, match=f"got {size}, allowed: 2 to 10,000"):
            lab.batch.submit(a_job(array_size=size))

    on_batch(check)


def test_dependencies() -> None:
    async def check(lab: Lab) -> None:
        first = lab.batch.submit(a_job(array_size=3))
        each = lab.batch.submit(a_job(array_size=3, depends_on=(Dependency(first.id, "N_TO_N"),)))
        last = lab.batch.submit(a_job(depends_on=(Dependency(each.id),)))
        turns = lab.batch.submit(a_job(array_size=3, depends_on=(Dependency(None, "SEQUENTIAL"),)))
        assert last.state is S.PENDING
        await lab.batch.done(last)
        await lab.batch.done(turns)
        assert isinstance(first, ArrayJob)
        assert isinstance(each, ArrayJob)
        assert isinstance(turns, ArrayJob)
        for theirs, ours in zip(first.children, each.children, strict=True):
            assert lab.when(theirs, S.SUCCEEDED)[0] <= lab.when(ours, S.RUNNABLE)[0]
        for earlier, later in pairwise(turns.children):
            assert lab.when(earlier, S.SUCCEEDED)[0] <= lab.when(later, S.RUNNABLE)[0]
        assert lab.when(each, S.SUCCEEDED)[0] <= lab.when(last, S.RUNNABLE)[0]
        # On something that is over already.
        late = lab.batch.submit(a_job(depends_on=(Dependency(first.id),)))
        await lab.batch.done(late)
        assert late.state is S.SUCCEEDED

    on_batch(check, fargate(16))


def test_what_depends_on_a_failure_fails_without_being_run() -> None:
    async def check(lab: Lab) -> None:
        bad = lab.batch.submit(a_job("bad"))
        after = lab.batch.submit(a_job(array_size=2, depends_on=(Dependency(bad.id),)))
        then = lab.batch.submit(a_job(depends_on=(Dependency(after.id),)))
        await lab.batch.done(then)
        for job in (after, then):
            assert job.state is S.FAILED
        assert then.reason == "Dependent Job failed"
        assert lab.states(then) == [S.SUBMITTED, S.PENDING, S.FAILED]

    on_batch(check, scripts={"bad": Script(codes=(1,))})


def test_what_aws_would_refuse_is_refused() -> None:
    async def check(lab: Lab) -> None:
        known = lab.batch.submit(a_job(array_size=2))
        for wrong, told in [
            (a_job(depends_on=(Dependency("nobody"),)), "there is no job 'nobody'"),
            (a_job(depends_on=tuple(Dependency(known.id) for _ in range(21))), "got 21 jobs, allowed: 20"),
            (
                a_job(array_size=3, depends_on=(Dependency(known.id, "N_TO_N"),)),
                "arrays of one size, got 3 and 2",
            ),
            (a_job(depends_on=(Dependency(None, "SEQUENTIAL"),)), "goes with an array"),
            (a_job(queue="nowhere"), "got 'nowhere', allowed: \\['queue'\\]"),
        ]:
            with pytest.raises(SubmitError, match=told):
                lab.batch.submit(wrong)

    on_batch(check)


def test_the_queue_of_higher_priority_goes_first() -> None:
    async def check(lab: Lab) -> None:
        lab.batch.add_queue("urgent", 10, ("fargate",))
        low = [lab.batch.submit(a_job()) for _ in range(3)]
        high = [lab.batch.submit(a_job(queue="urgent")) for _ in range(3)]
        await asyncio.gather(*(lab.batch.done(job) for job in [*low, *high]))
        order = [job_id for _, job_id in lab.startings]
        assert order == [job.id for job in [*high, *low]]

    on_batch(check, fargate(1))


def test_fair_share_gives_by_weight() -> None:
    async def check(lab: Lab) -> None:
        lab.batch.add_queue("fair", 1, ("fargate",), FairShare(weights={"a": 1, "b": 0.25}, decay_s=1000))
        jobs = [lab.batch.submit(a_job(queue="fair", share=share)) for share in "ab" for _ in range(200)]
        await asyncio.sleep(50.5)
        done = Counter(job.submission.share for job in jobs if job.state in {S.SUCCEEDED, S.RUNNING})
        assert done["b"] / done["a"] == pytest.approx(4, rel=0.2)

    on_batch(check, fargate(5))


def test_instances_are_launched_filled_and_shut_down() -> None:
    async def check(lab: Lab) -> None:
        jobs = [lab.batch.submit(a_job()) for _ in range(4)]
        await asyncio.gather(*(lab.batch.done(job) for job in jobs))
        # Two small ones hold two jobs each; they come up after their delay.
        assert [(at_s, state) for at_s, _, state in lab.instances] == [
            (0.0, "launching"), (0.0, "launching"), (10.0, "ready"), (10.0, "ready"),
        ]  # fmt: skip
        assert [lab.when(job, S.RUNNING) for job in jobs] == [[10.0]] * 4
        await asyncio.sleep(5.5)
        assert [state for _, _, state in lab.instances].count("ended") == 2

    on_batch(check, ec2(launch=Delay(median_s=10.0), idle_s=5.0))


def test_no_more_is_launched_than_the_maximum_and_the_minimum_stays() -> None:
    async def check(lab: Lab) -> None:
        await asyncio.sleep(1)
        assert len(lab.batch.environments["ec2"].instances) == 1
        jobs = [lab.batch.submit(a_job()) for _ in range(20)]
        await asyncio.gather(*(lab.batch.done(job) for job in jobs))
        assert lab.most_vcpu == 4.0
        await asyncio.sleep(100)
        assert len(lab.batch.environments["ec2"].instances) == 1

    on_batch(check, ec2(4.0, min_vcpu=2.0, idle_s=1.0))


@pytest.mark.parametrize(
    ("strategy", "types"),
    [
        ("BEST_FIT", {"tiny"}),
        ("BEST_FIT_PROGRESSIVE", {"tiny"}),
        ("SPOT_CAPACITY_OPTIMIZED", {"tiny", "small", "large"}),
    ],
)
def test_allocation_strategies(strategy: Any, types: set[str]) -> None:
    async def check(lab: Lab) -> None:
        jobs = [lab.batch.submit(a_job(vcpu=1.0)) for _ in range(30)]
        await asyncio.sleep(0.5)
        assert {each.type.name for each in lab.batch.environments["ec2"].instances} == types
        await asyncio.gather(*(lab.batch.done(job) for job in jobs))
        assert lab.most_vcpu <= 40

    kinds = (InstanceType("tiny", 1, 512), InstanceType("small", 2, 4096), InstanceType("large", 4, 8192))
    on_batch(check, ec2(40.0, types=kinds, strategy=strategy, idle_s=0.1, seed=1))


def test_environments_are_filled_in_their_order() -> None:
    async def check(lab: Lab) -> None:
        jobs = [lab.batch.submit(a_job()) for _ in range(5)]
        await asyncio.gather(*(lab.batch.done(job) for job in jobs))
        first = [instance for at_s, instance, _ in lab.instances if at_s == 0 and "fargate" in instance]
        second = [instance for at_s, instance, _ in lab.instances if at_s == 0 and "ec2" in instance]
        assert len(set(first)) == 3, "what the first may have"
        assert len(set(second)) == 1, "the rest fits on one small instance of the second"
        assert lab.now_s == 1.0

    on_batch(check, fargate(3.0), ec2(idle_s=100.0))


def test_a_job_that_fits_nowhere_waits_and_says_why() -> None:
    async def check(lab: Lab) -> None:
        big = lab.batch.submit(a_job(vcpu=64.0))
        await asyncio.sleep(10)
        assert (big.state, big.reason) == (S.RUNNABLE, "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")

    on_batch(check, ec2())


def test_a_spot_interruption_is_tried_again_elsewhere() -> None:
    rules = (Rule(action="RETRY", on_status_reason="Host EC2*"), Rule(action="EXIT", on_reason="*"))

    async def check(lab: Lab) -> None:
        job = lab.batch.submit(a_job(retries=RetryStrategy(attempts=3, rules=rules)))
        assert isinstance(job, Job)
        await asyncio.sleep(5)
        (instance,) = lab.batch.environments["ec2"].instances
        lab.batch.interrupt("ec2", instance, 10.0)
        await lab.batch.done(job)
        assert job.state is S.SUCCEEDED
        assert [made.ending.status_reason for made in job.attempts] == [
            f"Host EC2 (instance {instance.id}) terminated.", "Essential container in task exited",
        ]  # fmt: skip
        told = [(at_s, state) for at_s, each, state in lab.instances if each == instance.id]
        # It does not heed SIGTERM, and is killed when the notice is over; until then the host is there, and billed.
        assert told == [(0.0, "launching"), (0.0, "ready"), (5.0, "draining"), (15.0, "ended")]

    on_batch(check, ec2(kind="SPOT"), scripts={"job": Script(took_s=20, heeds_sigterm=False)})


def test_closing_leaves_no_job_without_an_end() -> None:
    async def check(lab: Lab) -> None:
        for _ in range(5):
            lab.batch.submit(a_job(array_size=3))
        await asyncio.sleep(0.5)

    lab = on_batch(check, fargate(2))
    assert all(job.state.ended for job in lab.batch.jobs.values())


jobs = st.fixed_dictionaries(
    {
        "array_size": st.none() | st.integers(2, 4),
        "attempts": st.integers(1, 3),
        "codes": st.lists(st.sampled_from([0, 0, 1]), min_size=1, max_size=3).map(tuple),
        "took_s": st.floats(0.1, 5),
        "after": st.lists(st.integers(0, 5), max_size=2),
        "vcpu": st.sampled_from([0.5, 1.0, 2.0]),
        "at_s": st.floats(0, 5),
        "end": st.sampled_from(["", "", "cancel", "terminate"]),
    }
)


@given(
    plans=st.lists(jobs, min_size=1, max_size=6), max_vcpu=st.sampled_from([2.0, 4.0]), on_ec2=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_every_job_ends_once_by_legal_steps_and_within_capacity(
    plans: list[dict[str, Any]], max_vcpu: float, on_ec2: bool
) -> None:
    async def check(lab: Lab) -> None:
        made: list[Any] = []
        for number, plan in enumerate(plans):
            lab.scripts[str(number)] = Script(took_s=plan["took_s"], codes=plan["codes"])
            earlier = [made[i] for i in plan["after"] if i < len(made)]
            submission = a_job(
                str(number),
                array_size=plan["array_size"],
                retries=RetryStrategy(attempts=plan["attempts"]),
                vcpu=plan["vcpu"],
                depends_on=tuple(Dependency(job.id) for job in earlier),
            )
            made.append(lab.batch.submit(submission))
        loop = asyncio.get_running_loop()
        for job, plan in zip(made, plans, strict=True):
            if plan["end"]:
                loop.call_later(plan["at_s"], getattr(lab.batch, plan["end"]), job.id, "told to")
        # In virtual time nothing but a timer ends a wait for ever.
        async with asyncio.timeout(10_000):
            await asyncio.gather(*(lab.batch.done(job) for job in made))
        await asyncio.sleep(100)
        assert not lab.running
        for environment in lab.batch.environments.values():
            for instance in environment.instances:
                assert (instance.free_vcpu, instance.jobs) == (instance.type.vcpu, set())

    lab = on_batch(check, ec2(max_vcpu, idle_s=1.0) if on_ec2 else fargate(max_vcpu))
    assert lab.most_vcpu <= max_vcpu + 1e-9
    for job in lab.batch.jobs.values():
        states = lab.states(job)
        following = FOLLOWING_OF_PARENT if isinstance(job, ArrayJob) else FOLLOWING
        assert all(new in following[old] for old, new in pairwise(states))
        assert states[0] is S.SUBMITTED
        assert sum(state.ended for state in states) == 1
        if isinstance(job, Job):
            assert len(job.attempts) == states.count(S.STARTING) <= job.retries.attempts


def test_ten_thousand_children_are_soon_through() -> None:
    async def check(lab: Lab) -> None:
        array = lab.batch.submit(a_job(array_size=10_000))
        await lab.batch.done(array)
        assert array.state is S.SUCCEEDED

    environment = EnvironmentSettings(
        name="big", kind="EC2", max_vcpu=64, types=(InstanceType("big", 64, 10**6),), idle_s=10
    )
    on_batch(check, environment, scripts={"job": Script(took_s=0.0)})
    assert definition().reference == "work:1"
