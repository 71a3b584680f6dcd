"""Concurrency, throttling, provisioned and asynchronous invocations, in real containers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from harness.placements.function.invocation import Refused, Request
from tests.conformance.conftest import OnFunction
from tests.conformance.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def event(verb: str, **more: object) -> Request:
    return Request(payload=json.dumps({"verb": verb, **more}).encode())


def test_two_hundred_at_once_are_safe(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        answers = await asyncio.gather(*(lab.ask("echo", n=n) for n in range(200)))
        assert [json.loads(answer.payload) for answer in answers] == [{"n": n} for n in range(200)]
        assert len({answer.environment for answer in answers}) == 8
        assert len({answer.request_id for answer in answers}) == 200
        assert sum(answer.cold is not None for answer in answers) == 8

    lab = on_function(check, max_environments=8, memory_mb=512)
    assert len(lab.kinds("container_created")) == len(lab.kinds("container_removed")) == 8
    assert lab.log().count("REPORT RequestId: ") == 200


def test_an_environment_serves_one_at_a_time_and_more_are_added_as_needed(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        both = await asyncio.gather(*(lab.ask("sleep", seconds=0.5) for _ in range(2)))
        assert len({answer.environment for answer in both}) == 2
        later = await asyncio.gather(*(lab.ask("sleep", seconds=0.2) for _ in range(4)))
        assert len(lab.kinds("container_created")) == 3, "the machine's limit"
        assert sum(answer.cold is not None for answer in later) == 1
        assert max(answer.queue_s for answer in later) > 0.1, "what finds it reached waits"

    on_function(check, max_environments=3)


def test_beyond_reserved_concurrency_invocations_are_throttled(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        results = await asyncio.gather(
            *(lab.ask("sleep", seconds=0.5) for _ in range(5)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Refused)]
        assert len(refused) == 3
        assert {(error.status, error.code, error.reason) for error in refused} == {
            (429, "TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded")
        }
        assert (await lab.ask("noop")).ok
        assert len(lab.ledger.kinds("throttled")) == 3

    on_function(check, max_environments=5, reserved_concurrency=2)


def test_environments_are_added_at_the_functions_rate(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        results = await asyncio.gather(
            *(lab.ask("sleep", seconds=0.3) for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(result, Refused) for result in results) == 2
        assert len(lab.kinds("container_created")) == 2
        # It refills continuously: 2 in 10 s is one in 5 s.
        await asyncio.sleep(5)
        await asyncio.gather(*(lab.ask("sleep", seconds=0.3) for _ in range(3)))
        assert len(lab.kinds("container_created")) == 3

    on_function(check, max_environments=5, environments_per_10_s=2)


def test_provisioned_environments_are_initialised_before_the_first_invocation(
    on_function: OnFunction,
) -> None:
    async def check(lab: Lab) -> None:
        assert len(lab.kinds("container_ready")) == 2
        found = await asyncio.gather(*(lab.ask("environ") for _ in range(2)))
        assert [answer.cold for answer in found] == [None, None]
        variables = json.loads(found[0].payload)
        assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
        three = await asyncio.gather(*(lab.ask("sleep", seconds=0.5) for _ in range(3)))
        assert sum(answer.cold is not None for answer in three) == 1, "beyond that it spills over"
        await lab.seen("container_evicted")
        assert lab.kinds("container_evicted") == [answer.environment for answer in three if answer.cold]
        assert (await lab.ask("noop")).cold is None

    on_function(check, max_environments=3, provisioned_concurrency=2, idle_s=0.3)


def test_each_event_ends_in_exactly_one_way(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        good = [event("echo", n=n) for n in range(20)]
        bad = [event("fail") for _ in range(5)]
        endings = await asyncio.gather(*(lab.function.submit(each) for each in [*good, *bad]))
        assert Counter(endings) == {"done": 20, "dead_lettered": 5}
        tries = Counter(request.request_id for request, _, _ in lab.tries)
        assert [tries[each.request_id] for each in good] == [1] * 20
        assert [tries[each.request_id] for each in bad] == [3] * 5, "one try and two more"
        assert sorted(lab.given_up) == sorted((each.request_id, "RetriesExhausted", 3) for each in bad)

    lab = on_function(check, max_environments=4)
    letters = [json.loads(line) for line in (lab.folder / "tested-on-failure.jsonl").read_text().splitlines()]
    assert len(letters) == 5
    letter = letters[0]
    assert letter["requestContext"]["condition"] == "RetriesExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert letter["requestPayload"] == {"verb": "fail"}
    assert letter["responseContext"]["functionError"] == "Unhandled"
    assert letter["responsePayload"]["errorType"] == "ValueError"


def test_an_event_of_a_function_without_concurrency_expires(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        assert await lab.function.submit(event("echo")) == "expired"
        assert [condition for _, condition, _ in lab.given_up] == ["EventAgeExceeded"]
        assert lab.tries == []

    on_function(check, reserved_concurrency=0, max_event_age_s=60, time_scale=0.01)
