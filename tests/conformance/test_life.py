"""The life of an execution environment: INIT, freeze, reset, eviction, shutdown; and what it logs of it."""

from __future__ import annotations

import asyncio
import json
import math
import re

import pytest

from harness.placements.function.invocation import Invoked
from harness.rows import Outcome
from tests.conformance.conftest import OnFunction
from tests.conformance.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def test_nothing_runs_between_invocations(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        await lab.value("tick_in_background")
        await lab.value("sleep", seconds=0.1)
        await lab.seen("container_frozen", 1)
        frozen_events = len(lab.kinds("container_frozen"))
        before = await lab.value("ticks")
        assert before > 20, "it counts while an invocation runs"
        await lab.seen("container_frozen", frozen_events + 1)
        await asyncio.sleep(0.5)
        after = await lab.value("ticks")
        # It may count between its answer and the freezer, and between the thaw and the next answer.
        assert after - before < 100
        running = await lab.value("sleep", seconds=0.5) and await lab.value("ticks")
        assert running - after > 200
        assert len(lab.kinds("container_thawed")) >= 2

    on_function(check)


def test_a_child_that_outlives_its_invocation_is_frozen_with_it(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        assert await lab.value("leave_a_child") > 0
        await lab.seen("container_frozen")
        before = await lab.value("child_count")
        await lab.seen("container_frozen", 2)
        await asyncio.sleep(0.5)
        assert await lab.value("child_count") - before < 100

    on_function(check)


def test_tmp_survives_a_reset_and_globals_do_not(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        first = await lab.value("count")
        assert (await lab.value("count"))["count"] == 2
        await lab.value("write_tmp", name="kept", mib=1)
        crashed = await lab.ask("exit_now", code=3)
        assert crashed.error.endswith("Runtime exited with error: exit status 3")
        again = await lab.ask("count")
        found = json.loads(again.payload)
        assert (found["count"], found["started"] > first["started"]) == (1, True)
        assert "kept" in await lab.value("list_tmp")
        assert again.environment == crashed.environment
        # INIT is suppressed: it belongs to the invocation, which is billed for it and does not report it.
        assert again.cold is not None
        assert again.duration_s is not None
        assert again.billed_s == math.ceil(again.duration_s * 1000) / 1000
        assert again.duration_s > again.cold.init_s > 0

    lab = on_function(check)
    reports = [line for line in lab.log().splitlines() if line.startswith("REPORT")]
    assert ["Init Duration" in line for line in reports] == [True, *[False] * (len(reports) - 1)]
    assert len(lab.kinds("container_created")) == 1


@pytest.mark.parametrize(
    ("verb", "event", "told"),
    [
        ("exit_now", {"code": 0}, "Runtime exited without providing a reason"),
        ("exit_now", {"code": 9}, "Runtime exited with error: exit status 9"),
        ("crash", {}, "Runtime exited with error: "),
    ],
)
def test_a_runtime_that_ends_is_told_and_started_anew(
    on_function: OnFunction, verb: str, event: dict[str, int], told: str
) -> None:
    async def check(lab: Lab) -> None:
        ended = await lab.ask(verb, **event)
        assert (ended.outcome, json.loads(ended.payload)["errorType"]) == (Outcome.ERROR, "Runtime.ExitError")
        assert told in ended.error
        assert (await lab.ask("noop")).ok

    on_function(check)


def test_init_has_ten_seconds_and_a_second_try_within_the_first_invocation(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        invoked = await lab.ask("count")
        assert invoked.ok, invoked.error
        assert invoked.cold is not None
        assert 10 < invoked.cold.init_s < 13
        assert invoked.duration_s is not None
        assert invoked.duration_s < 5, "Duration counts from the second try"
        assert (await lab.ask("count")).cold is None

    lab = on_function(check, command=("slow.handler",), environment={"INIT_S": "30"})
    assert re.search(r"INIT_REPORT Init Duration: 1\d{4}\.\d\d ms\tPhase: init\tStatus: timeout\n", lab.log())


def test_an_init_that_never_ends_is_the_invocations_timeout(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        invoked = await lab.ask("count")
        assert (invoked.outcome, invoked.error) == (Outcome.TIMEOUT, "Task timed out after 2.00 seconds")

    on_function(
        check, command=("slow.handler",), timeout_s=2, environment={"INIT_S": "60", "INIT_AGAIN_S": "60"}
    )


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("broken.handler", "Runtime.ImportModuleError: Unable to import module 'broken'"),
        ("app.nothing", "Runtime.HandlerNotFound: Handler 'nothing' missing on module 'app'"),
        ("leaves.handler", "Runtime exited with error: exit status 7"),
    ],
)
def test_an_init_that_fails_is_tried_again_and_told(on_function: OnFunction, module: str, told: str) -> None:
    async def check(lab: Lab) -> None:
        for _ in range(2):
            invoked = await lab.ask("noop")
            assert invoked.function_error == "Unhandled"
            assert told in invoked.error
            assert told.rsplit(": ", maxsplit=1)[-1] in json.loads(invoked.payload)["errorMessage"]

    lab = on_function(check, command=(module,))
    assert re.search(
        r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: ", lab.log()
    )
    assert len(lab.kinds("container_created")) == 1


def test_report_lines_are_byte_for_byte_lambdas_and_tell_what_was_measured(on_function: OnFunction) -> None:
    answers: list[Invoked] = []

    async def check(lab: Lab) -> None:
        for request_id, event in (
            ("10000000-0000-4000-8000-000000000001", {"verb": "allocate", "mib": 60}),
            ("10000000-0000-4000-8000-000000000002", {"verb": "fail"}),
        ):
            answers.append(await lab.send(event, request_id=request_id))

    lab = on_function(check, memory_mb=512)
    good, bad = answers
    assert good.cold is not None
    assert good.duration_s is not None
    assert good.billed_s is not None
    assert good.memory_peak_bytes is not None
    assert bad.duration_s is not None
    assert bad.billed_s is not None
    assert bad.memory_peak_bytes is not None
    lines = lab.log().splitlines(keepends=True)
    ours = [line for line in lines if line.startswith(("START", "END", "REPORT"))]
    assert ours == [
        "START RequestId: 10000000-0000-4000-8000-000000000001 Version: $LATEST\n",
        "END RequestId: 10000000-0000-4000-8000-000000000001\n",
        "REPORT RequestId: 10000000-0000-4000-8000-000000000001\t"
        f"Duration: {good.duration_s * 1000:.2f} ms\tBilled Duration: {good.billed_s * 1000:.0f} ms\t"
        f"Memory Size: 512 MB\tMax Memory Used: {round(good.memory_peak_bytes / 2**20)} MB\t"
        f"Init Duration: {good.cold.init_s * 1000:.2f} ms\t\n",
        "START RequestId: 10000000-0000-4000-8000-000000000002 Version: $LATEST\n",
        "END RequestId: 10000000-0000-4000-8000-000000000002\n",
        "REPORT RequestId: 10000000-0000-4000-8000-000000000002\t"
        f"Duration: {bad.duration_s * 1000:.2f} ms\tBilled Duration: {bad.billed_s * 1000:.0f} ms\t"
        f"Memory Size: 512 MB\tMax Memory Used: {round(bad.memory_peak_bytes / 2**20)} MB\t\n",
    ]
    assert good.billed_s == math.ceil(round((good.duration_s + good.cold.init_s) * 1000, 6)) / 1000
    assert good.memory_peak_bytes > 60 * 2**20


def test_the_measured_init_is_that_of_the_runtime(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        invoked = await lab.ask("noop")
        assert invoked.cold is not None
        assert 0.7 < invoked.cold.init_s < 3

    on_function(check, command=("slow.handler",), environment={"INIT_S": "0.7"})


def test_each_invocation_is_cold_where_environments_may_not_idle(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        for _ in range(3):
            assert (await lab.ask("count")).cold is not None
        assert len(set(lab.kinds("container_created"))) == 3

    lab = on_function(check, idle_s=0)
    assert len(lab.kinds("container_removed")) == 3


@pytest.mark.parametrize(
    "idle_s", [0.3, {"distribution": "uniform", "low_s": 0.2, "high_s": 0.4}], ids=["fixed", "drawn"]
)
def test_an_idle_environment_is_evicted(on_function: OnFunction, idle_s: object) -> None:
    async def check(lab: Lab) -> None:
        first = await lab.ask("count")
        await lab.seen("container_removed")
        assert lab.kinds("container_evicted") == [first.environment], "scaled to zero"
        second = await lab.ask("count")
        assert second.cold is not None
        assert second.environment != first.environment

    on_function(check, idle_s=idle_s)


@pytest.mark.parametrize("grace_s", [1.0, 0.0])
def test_shutdown_is_sigterm_then_sigkill(on_function: OnFunction, grace_s: float) -> None:
    """Where a grace is given; without extensions Lambda kills at once."""

    async def check(lab: Lab) -> None:
        assert (await lab.send({})).ok
        await lab.seen("container_frozen")

    lab = on_function(check, image="node", shutdown_s=grace_s)
    assert ("node was told to end" in lab.log()) is (grace_s > 0)
    # AWS's client waits in its own code for the next event, so that node cannot end by itself.
    (ended,) = lab.ledger.kinds("container_ended")
    assert json.loads(ended.detail)["exit_code"] == 137


def test_a_handler_that_ignores_sigterm_is_killed(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        await lab.value("ignore_sigterm")

    lab = on_function(check, shutdown_s=0.2)
    (ended,) = lab.ledger.kinds("container_ended")
    assert json.loads(ended.detail)["exit_code"] == 137
    assert lab.kinds("container_removed") == [ended.container]


def test_every_state_is_an_event_in_order(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        await lab.value("noop")
        await lab.seen("container_frozen")
        await lab.value("noop")
        await lab.seen("container_frozen", 2)

    lab = on_function(check)
    assert [event.kind for event in lab.ledger.events] == [
        "container_created", "container_started", "container_ready", "container_frozen", "container_thawed",
        "container_frozen", "container_thawed", "container_ended", "container_removed",
    ]  # fmt: skip
    times = [event.at_ns for event in lab.ledger.events]
    assert times == sorted(times)
