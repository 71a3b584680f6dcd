"""Any Lambda image runs: AWS's clients for Python and Node.js, AWS's Powertools, and a custom runtime in shell."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from harness.engines.base import EngineError
from harness.placements.function.invocation import Request
from harness.placements.function.placement import s3_event
from tests.conformance.conftest import OnFunction
from tests.conformance.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def test_python_sees_what_lambda_would_tell_it(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        asked = time.time()
        invoked = await lab.send(
            {"verb": "about"},
            request_id="11111111-2222-4333-8444-555555555555",
            client_context='{"custom": {"a": "b"}}',
            trace_id="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        )
        assert invoked.ok, invoked.payload
        found = json.loads(invoked.payload)
        remaining_ms = found.pop("remaining_ms")
        assert 20_000 < remaining_ms <= 30_000, time.time() - asked
        assert found.pop("uid") != 0
        assert found.pop("log_stream") == invoked.environment
        assert found == {
            "request_id": "11111111-2222-4333-8444-555555555555",
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:tested",
            "memory_mb": "1769",
            "name": "tested",
            "version": "$LATEST",
            "log_group": "/aws/lambda/tested",
            "client_context": {"a": "b"},
            "trace": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }
        failed = await lab.ask("fail", message="as asked")
        assert failed.function_error == "Unhandled"
        document = json.loads(failed.payload)
        assert (document["errorType"], document["errorMessage"]) == ("ValueError", "as asked")
        assert document["stackTrace"]
        again = await lab.ask("echo", a=1)
        assert (again.environment, again.cold) == (invoked.environment, None), "an exception resets nothing"

    on_function(check)


def test_the_environment_is_lambdas_and_the_users(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        found = await lab.value("environ")
        expected = {
            "_HANDLER": "app.handler",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_FUNCTION_NAME": "tested",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": "/var/task",
            "MINE": "grün",
            "TZ": ":UTC",
        }
        assert {name: found.get(name) for name in expected} == expected
        assert await lab.value("write_root") == "EROFS"

    on_function(check, environment={"MINE": "grün"})


def test_powertools_logs_measures_and_answers(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        for _ in range(2):
            invoked = await lab.send(s3_event("2026/My picture.jpg"))
            assert json.loads(invoked.payload) == {"bucket": "in", "key": "2026/My picture.jpg"}

    lab = on_function(check, command=("powertools.handler",))
    lines = [json.loads(line) for line in lab.log().splitlines() if line.startswith("{")]
    seen = [line for line in lines if line.get("message") == "seen"]
    assert [(line["function_name"], line["cold_start"]) for line in seen] == [
        ("tested", True),
        ("tested", False),
    ]
    assert seen[0]["function_memory_size"] == "1769"
    assert seen[0]["function_arn"].endswith(":function:tested")
    assert [line["Objects"] for line in lines if "Objects" in line] == [[1.0], [1.0]]
    assert sum("ColdStart" in line for line in lines) == 1


def test_node_answers_keeps_its_globals_and_fails_in_its_own_words(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        for count in (1, 2):
            invoked = await lab.send({"word": "é"})
            found = json.loads(invoked.payload)
            assert (found["event"], found["count"]) == ({"word": "é"}, count)
            assert found["requestId"] == invoked.request_id
            assert 0 < found["remaining"] <= 30_000
        failed = await lab.send({"fail": "as asked"})
        document = json.loads(failed.payload)
        assert (failed.function_error, document["errorType"], document["errorMessage"]) == (
            "Unhandled",
            "TypeError",
            "as asked",
        )
        assert failed.error == "TypeError: as asked"

    lab = on_function(check, image="node")
    assert 'node saw {"word":"é"}' in lab.log()


@pytest.mark.parametrize("fails", [False, True])
def test_node_streams_piece_by_piece(on_function: OnFunction, fails: bool) -> None:
    async def check(lab: Lab) -> None:
        pieces: list[tuple[float, bytes]] = []

        async def sink(piece: bytes) -> None:
            pieces.append((time.monotonic(), piece))

        event: dict[str, Any] = {"pieces": 4, "pause_ms": 100} | ({"fail": "in the middle"} if fails else {})
        invoked = await lab.function.invoke(Request(payload=json.dumps(event).encode()), sink)
        assert b"".join(piece for _, piece in pieces).startswith(b"piece 0\npiece 1\npiece 2\npiece 3\n")
        assert pieces[-1][0] - pieces[0][0] > 0.2, "they come one after the other"
        assert invoked.ok is not fails
        assert invoked.error == ("Error: in the middle" if fails else "")
        # Without anybody who streams, the answer comes whole.
        if not fails:
            whole = await lab.send(event)
            assert whole.payload == b"piece 0\npiece 1\npiece 2\npiece 3\n"

    on_function(check, image="node", command=("app.streaming",))


def test_a_runtime_in_shell_and_curl(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        for _ in range(2):
            invoked = await lab.send({"word": "quiet"})
            assert json.loads(invoked.payload) == {"WORD": "QUIET"}
        failed = await lab.send({"fail": 1})
        assert (failed.function_error, failed.error) == ("Unhandled", "Shell.Failed: as asked")
        big = await lab.send({"word": "x" * 1_000_000})
        assert len(big.payload) > 1_000_000
        assert len(lab.kinds("container_created")) == 1

    lab = on_function(check, image="shell")
    assert re.search(r'shell saw \{"word": "quiet"\}', lab.log())


def test_one_image_under_several_commands_and_entry_points(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        burnt, cold = await lab.send({}), lab.ledger.kinds("container_ready")
        assert json.loads(burnt.payload) > 0.25
        assert burnt.cold is not None
        assert burnt.cold.init_s > 0.25
        assert len(cold) == 1

    on_function(
        check, entry_point=("/usr/bin/env", "python3", "-m", "awslambdaric"), command=("burns.handler",)
    )


def test_an_image_that_is_nowhere_is_an_error_with_its_name(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        raise AssertionError("it opened")

    with pytest.raises(EngineError, match=r"image 'placement-harness/no-such:image' is not on this machine"):
        on_function(check, image="placement-harness/no-such:image")
