"""What people and programs do wrong: each has a clear, recorded outcome, and the harness goes on."""

from __future__ import annotations

import asyncio
import json

import pytest

from harness.placements.function.invocation import Refused, Request
from harness.rows import Outcome
from tests.conformance.conftest import OnFunction
from tests.conformance.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def test_a_handler_that_prints_100_mb(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        loud = await lab.ask("say_bytes", mib=100)
        assert loud.ok, loud.error
        assert loud.log is not None
        tail = await loud.log.tail()
        assert len(tail) == 4096
        assert tail.count(b"REPORT") == 1
        assert (await lab.ask("noop")).ok

    lab = on_function(check)
    log = lab.log()
    assert 1_000_000 < len(log) < 1_200_000
    assert f"[placement-harness left out {99 * 2**20} bytes of output]" in log
    assert log.count("REPORT RequestId") == 2


def test_output_is_in_the_part_of_its_own_invocation(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        for n in range(3):
            invoked = await lab.ask("say", text=f"line of {n}", times=2)
            assert invoked.log is not None
            tail = (await invoked.log.tail()).decode()
            assert [line.split(" ")[0] for line in tail.splitlines()] == [
                "START", "line", "line", "END", "REPORT",
            ]  # fmt: skip
            assert tail.count(f"line of {n}\n") == 2

    on_function(check)


def test_a_handler_that_forks_and_leaves_its_child(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        assert await lab.value("leave_a_child") > 0
        assert (await lab.ask("noop")).ok

    lab = on_function(check)
    assert len(lab.kinds("container_removed")) == 1, "the child does not keep it"


def test_a_handler_that_answers_twice(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        twice = await lab.ask("answer_twice")
        # The first answer counts; the second is refused, on which AWS's client ends.
        assert (twice.ok, twice.payload) == (True, b'"first"')
        again = await lab.ask("count")
        assert again.ok, again.error
        assert json.loads(again.payload)["count"] == 1, "a new process"

    on_function(check)


def test_a_handler_that_answers_for_another_request(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        other = "99999999-0000-4000-8000-000000000000"
        stolen = await lab.value("answer_for", request_id=other)
        assert stolen["status"] == 400
        assert stolen["body"]["errorType"] == "InvalidRequestID"
        stale = await lab.value("answer_stale")
        assert (stale["status"], stale["body"]["errorType"]) == (410, "InvalidInvocationID")

    on_function(check)


def test_a_runtime_api_answers_its_own_environment_only(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        mine = (await lab.value("environ"))["AWS_LAMBDA_RUNTIME_API"]
        host, port = mine.split(":")
        slow = asyncio.create_task(lab.ask("sleep", seconds=2))
        await asyncio.sleep(0.3)
        assert await lab.value("reach", host=host, port=int(port)) == 403
        assert (await slow).ok

    on_function(check, max_environments=2)


@pytest.mark.parametrize("payload", [b"", b"not json", b'{"half": ', b"\xff\xfe"])
def test_a_payload_that_is_no_json_is_the_functions_error(on_function: OnFunction, payload: bytes) -> None:
    """The Invoke API refuses it; whoever calls the placement itself gets the runtime's own words."""

    async def check(lab: Lab) -> None:
        invoked = await lab.function.invoke(Request(payload=payload))
        assert invoked.outcome is Outcome.ERROR
        assert invoked.error
        assert (await lab.ask("noop")).ok

    on_function(check)


def test_a_container_that_cannot_be_made_is_an_error_of_the_invocation(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        with pytest.raises(Refused, match="no-such-program") as refused:
            await lab.ask("noop")
        assert (refused.value.status, refused.value.code) == (500, "ServiceException")

    on_function(check, entry_point=("no-such-program",))
