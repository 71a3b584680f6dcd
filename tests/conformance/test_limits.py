"""Each of Lambda's limits, crossed from both sides in a real container."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from harness.placements.function.invocation import (
    EVENT_BYTES,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    Refused,
    Request,
)
from harness.rows import Outcome
from harness.scenario import FunctionSettings
from tests.conformance.conftest import OnFunction
from tests.conformance.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def test_timeout(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        assert await lab.value("sleep", seconds=0.3) == "slept"
        before = await lab.value("count")
        late = await lab.ask("sleep", seconds=2)
        assert late.outcome is Outcome.TIMEOUT
        assert late.error == "Task timed out after 1.00 seconds"
        assert json.loads(late.payload)["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
        assert (late.duration_s, late.billed_s) == (1.0, 1.0)
        after = await lab.ask("count")
        assert after.cold is not None, "the environment has ended"
        found = json.loads(after.payload)
        assert found["count"] == 1
        assert found["started"] > before["started"]

    lab = on_function(check, timeout_s=1)
    assert re.search(r"Z [0-9a-f-]{36} Task timed out after 1\.00 seconds\n", lab.log())
    assert re.search(r"Max Memory Used: \d+ MB\tStatus: timeout\t\n", lab.log())


def test_memory(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        fits = await lab.ask("allocate", mib=100)
        assert fits.ok, fits.error
        assert 100 * 2**20 < (fits.memory_peak_bytes or 0) < 192 * 2**20
        too_much = await lab.ask("allocate", mib=250)
        assert too_much.outcome is Outcome.OUT_OF_MEMORY
        document = json.loads(too_much.payload)
        assert document["errorType"] == "Runtime.ExitError"
        assert document["errorMessage"] == (
            f"RequestId: {too_much.request_id} Error: Runtime exited with error: signal: killed"
        )
        assert too_much.memory_peak_bytes == 192 * 2**20
        again = await lab.ask("allocate", mib=100)
        assert again.ok, again.error
        assert again.cold is not None

    lab = on_function(check, memory_mb=192)
    assert (
        "Memory Size: 192 MB\tMax Memory Used: 192 MB\tStatus: error\tError Type: Runtime.ExitError\t\n"
        in (lab.log())
    )


def test_there_is_no_swap_and_the_kernel_has_the_limits_that_were_asked_for(on_function: OnFunction) -> None:
    in_force: dict[str, Any] = {}

    async def check(lab: Lab) -> None:
        watch = lab.ledger.watch

        def keep(container: Any, arm: str, block: int) -> None:
            in_force.update(container.limits_in_force())
            watch(container, arm, block)

        lab.ledger.watch = keep  # type: ignore[method-assign]
        await lab.value("noop")

    on_function(check, memory_mb=512, tmp_mb=600)
    assert in_force["memory_bytes"] == 512 * 2**20
    assert in_force["swap_bytes"] == 0
    assert in_force["vcpu"] == pytest.approx(512 / 1769, rel=0.01)
    assert in_force["cpu_period_us"] == 20_000
    assert in_force["pids"] == 1024
    assert in_force["temporary_bytes"] == pytest.approx(600 * 2**20, rel=0.02)


@pytest.mark.parametrize(("memory_mb", "slower"), [(885, 2.0), (442, 4.0)])
def test_cpu_share(on_function: OnFunction, memory_mb: int, slower: float) -> None:
    async def check(lab: Lab) -> None:
        took_s = await lab.value("spin", cpu_s=0.3)
        assert took_s > 0.3 * slower * 0.85, "never more than its share"

    on_function(check, memory_mb=memory_mb)


def test_init_may_have_more_cpu_than_its_share(on_function: OnFunction) -> None:
    took_s: dict[float | None, float] = {}
    for boost in (None, 2.0):

        async def check(lab: Lab, boost: float | None = boost) -> None:
            took_s[boost] = json.loads((await lab.send({})).payload)

        on_function(check, memory_mb=442, command=("burns.handler",), init_vcpu=boost)
    assert took_s[None] > 0.3 * 4 * 0.85
    assert took_s[2.0] < took_s[None]


@pytest.mark.parametrize("tmp_mb", [512, 700])
def test_tmp(on_function: OnFunction, tmp_mb: int) -> None:
    async def check(lab: Lab) -> None:
        assert await lab.value("write_tmp", name="a", mib=tmp_mb - 12) == "written"
        assert await lab.value("write_tmp", name="b", mib=24) == "ENOSPC"
        assert (await lab.ask("noop")).ok

    on_function(check, memory_mb=128, tmp_mb=tmp_mb)


def test_payloads(on_function: OnFunction) -> None:
    def event(size_bytes: int) -> Request:
        return Request(payload=b'{"verb": "noop", "x": "' + b"x" * (size_bytes - 25) + b'"}')

    async def check(lab: Lab) -> None:
        fits = Request(payload=b'{"pad": "' + b"x" * (2 * 2**20) + b'"}')
        assert len((await lab.function.invoke(fits)).payload) > 2 * 2**20
        with pytest.raises(Refused) as refused:
            await lab.function.invoke(event(REQUEST_BYTES + 1))
        assert (refused.value.status, refused.value.code) == (413, "RequestTooLargeException")
        largest = Request(payload=json.dumps({"x": "y"}).encode().ljust(REQUEST_BYTES))
        assert (await lab.function.invoke(largest)).ok
        with pytest.raises(Refused) as refused:
            lab.function.submit(Request(payload=b"{}".ljust(EVENT_BYTES + 1)))
        assert refused.value.status == 413
        assert await lab.function.submit(Request(payload=b"{}".ljust(EVENT_BYTES))) == "done"

    on_function(check)


def test_response_size(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        fits = await lab.ask("answer_bytes", size=RESPONSE_BYTES)
        assert fits.ok, fits.error
        assert len(fits.payload) == RESPONSE_BYTES
        too_large = await lab.ask("answer_bytes", size=RESPONSE_BYTES + 1)
        assert too_large.function_error == "Unhandled"
        document = json.loads(too_large.payload)
        assert document["errorType"] == "Function.ResponseSizeTooLarge"
        assert document["errorMessage"] == (
            "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        )
        assert (await lab.ask("noop")).ok

    on_function(check)


@pytest.mark.parametrize("verb", ["processes", "threads_of_libc"])
def test_processes_and_threads(on_function: OnFunction, verb: str) -> None:
    async def check(lab: Lab) -> None:
        few = await lab.value(verb, number=900)
        assert few == {"started": 900, "stopped": ""}
        many = await lab.value(verb, number=1100)
        assert 1000 < many["started"] < 1024
        assert many["stopped"]

    on_function(check, memory_mb=3000)


def test_descriptors(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        few = await lab.value("files", number=900)
        assert few == {"opened": 900, "stopped": "", "limit": 1024}
        many = await lab.value("files", number=1100)
        assert 1000 < many["opened"] < 1024
        assert many["stopped"] == "EMFILE"

    on_function(check)


def test_environment_variables(on_function: OnFunction) -> None:
    async def check(lab: Lab) -> None:
        assert len((await lab.value("environ"))["A"]) == 4095

    on_function(check, environment={"A": "x" * 4095})
    settings: dict[str, Any] = {"kind": "function", "memory_mb": 128}
    with pytest.raises(ValueError, match=r"environment: got 4097 bytes.*allowed: 4096 \(4 KB\)"):
        FunctionSettings(**settings, environment={"A": "x" * 4096})
    with pytest.raises(ValueError, match="AWS_REGION is set by Lambda"):
        FunctionSettings(**settings, environment={"AWS_REGION": "mars"})
