"""The Runtime API against AWS's own client, awslambdaric, as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from harness.placements.function.runtime_api import InitError, Invocation, RuntimeApi

HANDLERS = """
import os, time
def echo(event, context):
    return {"event": event, "id": context.aws_request_id, "left_ms": context.get_remaining_time_in_millis(),
            "arn": context.invoked_function_arn}
def broken(event, context):
    raise ValueError("no good: " + event["word"])
"""


async def anyone() -> None:
    """Every address may ask."""


@asynccontextmanager
async def environment(tmp_path: Path, handler: str) -> AsyncIterator[RuntimeApi]:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "unloadable.py").write_text("import no_such_module_anywhere")
    api = RuntimeApi("thumbnail", anyone)
    address = await api.start("127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "awslambdaric", handler,
        env={**os.environ, "AWS_LAMBDA_RUNTIME_API": address, "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield api
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await api.close()


def invocation(number: int = 0, **event: str) -> Invocation:
    return Invocation(
        request_id=f"00000000-0000-0000-0000-{number:012}",
        payload=json.dumps(event).encode(),
        deadline_ms=int(time.time() * 1000) + 30_000,
    )


def test_awslambdaric_gets_events_and_answers(tmp_path: Path) -> None:
    async def check() -> None:
        async with environment(tmp_path, "handlers.echo") as api:
            await asyncio.wait_for(api.ready(), 20)
            for number in range(20):
                answer = await asyncio.wait_for(api.invoke(invocation(number, word=f"w{number}")), 10)
                body = json.loads(answer.body)
                assert answer.error_type is None
                assert body["event"] == {"word": f"w{number}"}
                assert body["id"].endswith(f"{number:012}")
                assert 20_000 < body["left_ms"] <= 30_000
                assert body["arn"].endswith(":function:thumbnail")

    asyncio.run(check())


def test_a_handler_that_raises_is_a_function_error_and_the_environment_lives(tmp_path: Path) -> None:
    async def check() -> None:
        async with environment(tmp_path, "handlers.broken") as api:
            for number in range(2):
                answer = await asyncio.wait_for(api.invoke(invocation(number, word="x")), 20)
                assert answer.error_type is not None
                assert answer.error_text == "ValueError: no good: x"

    asyncio.run(check())


def test_a_handler_that_cannot_be_loaded_is_an_init_error(tmp_path: Path) -> None:
    async def check() -> None:
        async with environment(tmp_path, "unloadable.handler") as api:
            with pytest.raises(InitError, match="no_such_module_anywhere"):
                await asyncio.wait_for(api.ready(), 20)
            with pytest.raises(InitError):
                await api.invoke(invocation())

    asyncio.run(check())


NEXT = "/2018-06-01/runtime/invocation/next"


def test_a_poll_whose_connection_closed_does_not_swallow_the_next_event() -> None:
    async def check() -> None:
        api = RuntimeApi("thumbnail", anyone)
        address = await api.start("127.0.0.1")
        try:
            async with aiohttp.ClientSession() as client:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await client.get(f"http://{address}{NEXT}")
            async with aiohttp.ClientSession() as client:
                pending = asyncio.create_task(api.invoke(invocation(7)))
                async with client.get(f"http://{address}{NEXT}") as given:
                    request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
                    assert request_id.endswith("7")
                stale = request_id.replace("7", "8")
                respond = f"http://{address}/2018-06-01/runtime/invocation/{{}}/response"
                async with client.post(respond.format(stale), data=b"{}") as refused:
                    assert refused.status == 400
                async with client.post(respond.format(request_id), data=b'"fine"') as taken:
                    assert taken.status == 202
                assert (await pending).body == b'"fine"'
        finally:
            await api.close()

    asyncio.run(check())


def test_whoever_waits_for_an_environment_that_ends_is_told() -> None:
    async def check() -> None:
        api = RuntimeApi("thumbnail", anyone)
        address = await api.start("127.0.0.1")
        try:
            async with aiohttp.ClientSession() as client:
                poll = asyncio.create_task(client.get(f"http://{address}{NEXT}"))
                pending = asyncio.create_task(api.invoke(invocation()))
                (await poll).close()
                api.fail(RuntimeError("killed"))
                with pytest.raises(RuntimeError, match="killed"):
                    await pending
                with pytest.raises(RuntimeError, match="killed"):
                    await api.invoke(invocation(2))
        finally:
            await api.close()

    asyncio.run(check())
