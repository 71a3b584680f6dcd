"""The function placement beside AWS's own emulators, a bare `docker run`, and Docker's pause.

A no-op handler of AWS's Python client, the same image, the same limits; the two sides take turns within one run, and
what is printed are ratios.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import docker
import numpy as np
import pytest
from aiohttp import web

from harness.engines.base import ContainerSpec, Limits
from harness.engines.docker import DockerEngine
from harness.placements.function.runtime_api import Invocation, RuntimeApi
from harness.scenario import FunctionSettings
from harness.serve.functions import make_app
from tests.benchmarks import emulators
from tests.conformance import images
from tests.conformance.lab import ROOMY, Lab, opened

pytestmark = [pytest.mark.timed, pytest.mark.docker, pytest.mark.timeout(600)]
# In a process of its own: invokes each URL in turns over one connection, one call after the other or each after a
# pause (in which an environment is frozen); prints the seconds that each call took.
CLIENT = """
import http.client, json, sys, time
from urllib.parse import urlsplit
turns, calls, pause_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
urls = [urlsplit(url) for url in sys.argv[4:]]
links = [http.client.HTTPConnection(url.netloc) for url in urls]
took_s = [[] for _ in urls]
for _ in range(turns):
    for url, link, took in zip(urls, links, took_s):
        for _ in range(calls):
            time.sleep(pause_s)
            begun_s = time.perf_counter()
            link.request("POST", url.path, b'{"verb": "noop"}')
            assert link.getresponse().read() == b"null"
            took.append(time.perf_counter() - begun_s)
print(json.dumps(took_s))
"""
MIB = 2**20
Measure = Callable[[Lab], Coroutine[Any, Any, dict[str, float]]]


@pytest.fixture(scope="module")
def image(docker_client: docker.DockerClient) -> str:
    return images.ensure(docker_client, "python")


@pytest.fixture
def measure(make_docker: Callable[[], DockerEngine], image: str, tmp_path: Path) -> Callable[..., Any]:
    """Runs a measurement on an open function of the no-op image."""
    tmp_path.chmod(0o755)

    def run(work: Measure, **settings: Any) -> dict[str, float]:
        async def main() -> dict[str, float]:
            engine = make_docker()
            try:
                chosen = FunctionSettings(**(ROOMY | {"image": image} | settings))
                async with opened(engine, tmp_path, chosen) as lab:
                    return await work(lab)
            finally:
                await engine.close()

        return asyncio.run(main())

    return run


def told(benchmark: Any, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = benchmark.pedantic(work, rounds=1)
    benchmark.extra_info |= found
    return found


def needs_sam() -> None:
    if emulators.emulator() is None or not emulators.SAM.exists():
        pytest.skip("the SAM CLI is not installed: scripts/peers.sh")


@pytest.mark.parametrize(
    ("turns", "calls", "pause_s"), [(8, 400, 0.0), (10, 40, 0.01)], ids=["busy", "paused"]
)
def test_warm_invoke(
    benchmark: Any, measure: Callable[..., Any], docker_client: docker.DockerClient, image: str, turns: int,
    calls: int, pause_s: float,
) -> None:  # fmt: skip
    """Over HTTP on both sides: the served Invoke API, and AWS's emulator inside the container, which never freezes."""
    needs_sam()

    async def work(lab: Lab) -> dict[str, float]:
        runner = web.AppRunner(make_app({"noop": lab.function}), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ours = f"http://127.0.0.1:{runner.addresses[0][1]}/2015-03-31/functions/noop/invocations"
        with emulators.emulated(docker_client, image) as theirs:
            async with aiohttp.ClientSession() as session:
                for url in (ours, theirs):
                    await emulators.until_it_answers(session, url)
            gc.collect()
            gc.disable()  # as in every arm of a run
            client = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CLIENT, str(turns), str(calls), str(pause_s), ours, theirs,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            output, _ = await client.communicate()
            gc.enable()
        await runner.cleanup()
        took_s = dict(zip(("ours", "emulator"), json.loads(output), strict=True))
        p50_s, p99_s = (
            {name: float(np.quantile(each, q)) for name, each in took_s.items()} for q in (0.5, 0.99)
        )
        return {
            "p50_ms": p50_s["ours"] * 1e3,
            "p99_ms": p99_s["ours"] * 1e3,
            "p50_ratio_to_emulator": p50_s["ours"] / p50_s["emulator"],
            "p99_ratio_to_emulator": p99_s["ours"] / p99_s["emulator"],
        }

    found = told(benchmark, lambda: measure(work))
    if pause_s == 0:
        assert found["p50_ratio_to_emulator"] <= 1
        assert found["p99_ratio_to_emulator"] <= 1


def test_parallel_environments_scale_with_the_cores(benchmark: Any, measure: Callable[..., Any]) -> None:
    """CPU-bound invocations a second with eight environments, by those with one."""
    cores = len(os.sched_getaffinity(0))

    async def rate(lab: Lab, at_once: int) -> float:
        async def one_after_the_other() -> None:
            for _ in range(20):
                assert (await lab.ask("spin", cpu_s=0.05)).ok

        await asyncio.gather(*(lab.ask("sleep", seconds=0.5) for _ in range(at_once)))
        begun_s = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
        return at_once * 20 / (time.perf_counter() - begun_s)

    async def work(lab: Lab) -> dict[str, float]:
        one = await rate(lab, 1)
        return {"speed_up": await rate(lab, 8) / one, "cores": cores}

    found = told(benchmark, lambda: measure(work, max_environments=8))
    assert found["speed_up"] >= 0.8 * min(cores, 8)


def test_cold_start(
    benchmark: Any, measure: Callable[..., Any], docker_client: docker.DockerClient, image: str
) -> None:
    """To the first answer: a new environment, a bare `docker run`, and `sam local start-lambda`, in turns."""
    needs_sam()

    async def work(lab: Lab) -> dict[str, float]:
        took_s: dict[str, list[float]] = {"ours": [], "docker run": [], "sam": []}
        networks = docker_client.networks.list(filters={"driver": "bridge"})
        host = lab.engine.host_address
        (network,) = (
            n.name for n in networks if any(c.get("Gateway") == host for c in n.attrs["IPAM"]["Config"] or [])
        )
        with emulators.sam_local(image) as port:
            for number in range(15):
                begun_s = time.perf_counter()
                answer = await lab.ask("noop")
                took_s["ours"].append(time.perf_counter() - begun_s)
                assert answer.cold is not None
                await lab.seen("container_removed", number + 1)
                took_s["docker run"].append(await emulators.bare_docker_run(image, host, str(network)))
                took_s["sam"].append(await asyncio.to_thread(emulators.sam_invoke, port))
        median_s = {name: statistics.median(each) for name, each in took_s.items()}
        return {
            "p50_ms": median_s["ours"] * 1e3,
            "ratio_to_docker_run": median_s["ours"] / median_s["docker run"],
            "times_faster_than_sam": median_s["sam"] / median_s["ours"],
        }

    found = told(benchmark, lambda: measure(work, idle_s=0))
    assert found["ratio_to_docker_run"] <= 1.1
    assert found["times_faster_than_sam"] >= 3


def test_freeze_and_thaw(benchmark: Any, make_docker: Callable[[], DockerEngine]) -> None:
    """By the freezer's file, by Docker's pause."""

    async def main() -> dict[str, float]:
        engine = make_docker()
        spec = ContainerSpec(
            name="freeze-benchmark", command=("python3", "-c", "import time; time.sleep(600)"), environment={},
            limits=Limits(vcpu=1.0, memory_bytes=64 * MIB),
        )  # fmt: skip
        try:
            container = await engine.create(spec)
            await container.start()
            ours, theirs = [], []
            for _ in range(40):
                begun_s = time.perf_counter()
                assert await container.freeze()
                await container.thaw()
                ours.append(time.perf_counter() - begun_s)
                begun_s = time.perf_counter()
                for command in ("pause", "unpause"):
                    await asyncio.to_thread(getattr(docker_api(engine), command), container.name)
                theirs.append(time.perf_counter() - begun_s)
            await container.remove()
        finally:
            await engine.close()
        median_s = statistics.median(ours)
        return {
            "p50_ms": median_s * 1e3,
            "p99_ms": float(np.quantile(ours, 0.99)) * 1e3,
            "ratio_to_docker_pause": median_s / statistics.median(theirs),
        }

    def docker_api(engine: DockerEngine) -> docker.APIClient:
        return engine._daemon.api

    found = told(benchmark, lambda: asyncio.run(main()))
    assert found["p50_ms"] <= 2


def test_dispatch_in_process(benchmark: Any, tmp_path: Path) -> None:
    """From an event to the answer of a no-op of AWS's client, without containers: what the Runtime API costs."""

    async def main() -> dict[str, float]:
        async def anyone() -> None:
            return None

        api = RuntimeApi("noop", anyone)
        address = await api.start("127.0.0.1")
        (tmp_path / "handlers.py").write_text("def noop(event, context):\n    return None\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "awslambdaric", "handlers.noop", cwd=tmp_path,
            stdout=subprocess.DEVNULL, env={**os.environ, "AWS_LAMBDA_RUNTIME_API": address},
        )  # fmt: skip
        took_s = []
        try:
            for number in range(3000):
                await api.ready()
                begun_s = time.perf_counter()
                answer = await api.invoke(
                    Invocation(request_id=str(number), payload=b"{}", deadline_ms=2**45)
                )
                took_s.append(time.perf_counter() - begun_s)
                assert answer.body == b"null"
        finally:
            process.kill()
            await process.wait()
            await api.close()
        return {
            "p50_ms": float(np.quantile(took_s, 0.5)) * 1e3,
            "p99_ms": float(np.quantile(took_s, 0.99)) * 1e3,
        }

    found = told(benchmark, lambda: asyncio.run(asyncio.wait_for(main(), 60)))
    assert found["p50_ms"] <= 0.35
