"""The batch placement: what scheduling costs beside a bare loop through docker-py, and how busy slots and cores are."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.clock import LoopClock, RunClock
from harness.engines.base import Exit, Limits
from harness.engines.docker import DockerEngine
from harness.engines.image import Image
from harness.engines.ownership import container_user
from harness.placements.base import Bench
from harness.placements.batch.control import Batch
from harness.placements.batch.definition import JobDefinition
from harness.placements.batch.jobs import AnyJob, Job, Submission
from harness.placements.batch.runner import JobRunner, Share
from harness.placements.batch.states import State
from harness.placements.capacity import ComputeEnvironment, EnvironmentSettings, Instance, InstanceType
from tests.fakes import Ledger

pytestmark = [pytest.mark.timed, pytest.mark.timeout(300)]
MIB = 2**20
SLOTS = 2
LIMITS = Limits(vcpu=1.0, memory_bytes=256 * MIB)
PLAIN_LOOP = """
import json, sys, time
from pathlib import Path
from workloads.thumbnail.thumbnail import thumbnail
begun_s = time.process_time()
for name in json.loads(sys.argv[2]):
    thumbnail((Path(sys.argv[1]) / name).read_bytes(), {"sizes": [256]})
print(time.process_time() - begun_s)
"""


class Unheard:
    """An observer that does nothing."""

    def job(self, job: AnyJob, state: State, reason: str) -> None: ...

    def attempt(self, job: Job, instance: Instance, held_s: float) -> None: ...

    def instance(self, environment: ComputeEnvironment, instance: Instance) -> None: ...


def told(benchmark: Any, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = benchmark.pedantic(work, rounds=1)
    benchmark.extra_info |= found
    return found


def test_ten_thousand_children_without_an_engine(benchmark: Any) -> None:
    """From submit to done, on the real event loop; and how much memory they take."""

    class Nothing:
        container = "none"

        async def wait(self) -> Exit:
            return Exit(code=0, out_of_memory=False)

        async def stop(self, grace_s: float) -> None: ...

        def let_go(self) -> None: ...

    class Runner:
        async def start(self, job: Job, instance: Instance) -> Nothing:
            return Nothing()

    async def main() -> dict[str, float]:
        batch = Batch(Runner(), LoopClock(), Unheard())
        batch.add_environment(
            EnvironmentSettings(
                name="e", kind="EC2", max_vcpu=64, types=(InstanceType("big", 64, 10**6),), idle_s=60
            )
        )
        batch.add_queue("q", 1, ("e",))
        gc.collect()
        before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        begun_s = time.perf_counter()
        definition = JobDefinition(name="noop", vcpu=1, memory_mb=1)
        array = batch.submit(Submission(name="noop", queue="q", definition=definition, array_size=10_000))
        await batch.done(array)
        took_s = time.perf_counter() - begun_s
        assert array.state is State.SUCCEEDED
        grown_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before_bytes
        await batch.close()
        return {"took_s": took_s, "memory_mib": grown_bytes / MIB}

    found = told(benchmark, lambda: asyncio.run(main()))
    assert found["took_s"] <= 2
    assert found["memory_mib"] <= 200


def run_jobs(
    make: Callable[[], DockerEngine], folder: Path, command: tuple[str, ...], count: int
) -> tuple[float, Ledger]:
    """Seconds from submit to done of an array of jobs of one command, on SLOTS slots."""
    ledger = Ledger()

    async def main() -> float:
        engine, clock = make(), RunClock()
        bench = Bench(
            run=f"batch-benchmark-{time.monotonic_ns()}", block=0, warmup=False, arm="batch", workload="noop",
            engine=engine, clock=clock, recorder=ledger, watcher=ledger, store_in=folder, store_out=folder, settings={},
        )  # fmt: skip
        runner = JobRunner(bench, LIMITS, "docker")
        batch = Batch(runner, clock, Unheard())
        batch.add_environment(EnvironmentSettings(name="docker", kind="FARGATE", max_vcpu=SLOTS))
        batch.add_queue("q", 1, ("docker",))
        await engine.reserve(SLOTS, network="none")
        try:
            begun_s = time.perf_counter()
            definition = JobDefinition(name="noop", command=command, vcpu=1, memory_mb=256)
            array = batch.submit(Submission(name="noop", queue="q", definition=definition, array_size=count))
            for child in array.children:  # type: ignore[union-attr]
                runner.share(child, Share("none", ()))
            await batch.done(array)
            await runner.close()
            return time.perf_counter() - begun_s
        finally:
            await batch.close()
            await engine.close()

    return asyncio.run(main()), ledger


@pytest.mark.docker
def test_scheduling_beside_a_bare_loop(
    benchmark: Any, make_docker: Callable[[], DockerEngine], docker_client: docker.DockerClient,
    workload_image: Image, tmp_path: Path,
) -> None:  # fmt: skip
    """Seconds a job of `true`, over docker-py's create, start, wait and remove at the same concurrency."""
    count = 30

    def bare(_: int) -> None:
        api = docker_client.api
        host = api.create_host_config(
            mem_limit=256 * MIB, memswap_limit=256 * MIB, pids_limit=1024, read_only=True, cap_drop=["ALL"],
            security_opt=["no-new-privileges"], network_mode="none", cpu_period=20_000, cpu_quota=20_000,
        )  # fmt: skip
        made = api.create_container(
            workload_image.id, ["true"], host_config=host, user="{}:{}".format(*container_user())
        )
        api.start(made["Id"])
        api.wait(made["Id"])
        api.remove_container(made["Id"], v=True)

    def work() -> dict[str, float]:
        ours_s, theirs_s = 0.0, 0.0
        for _ in range(2):
            ours_s += run_jobs(make_docker, tmp_path, ("true",), count)[0]
            begun_s = time.perf_counter()
            with ThreadPoolExecutor(SLOTS) as pool:
                list(pool.map(bare, range(count)))
            theirs_s += time.perf_counter() - begun_s
        return {
            "job_ms": ours_s / count / 2 * SLOTS * 1e3,
            "ratio_to_bare_loop": ours_s / theirs_s,
            "added_ms": (ours_s - theirs_s) / count / 2 * SLOTS * 1e3,
        }

    assert told(benchmark, work)["added_ms"] <= 5


@pytest.mark.docker
def test_slots_are_busy(benchmark: Any, make_docker: Callable[[], DockerEngine], tmp_path: Path) -> None:
    """The share of a slot's cycle in which a job of one second does not run."""

    def work() -> dict[str, float]:
        count = 16
        took_s, _ = run_jobs(make_docker, tmp_path, ("sleep", "1"), count)
        return {"idle_share": 1 - 1.0 * count / SLOTS / took_s}

    assert told(benchmark, work)["idle_share"] <= 0.2


@pytest.mark.docker
def test_images_per_core_second(
    benchmark: Any, docker_client: docker.DockerClient, workload_image: Image, root: Path, tmp_path: Path
) -> None:
    """CPU time of a whole job's container, start included, over that of a plain loop over the same files."""
    from workloads.thumbnail import photographs  # noqa: PLC0415

    tmp_path.chmod(0o755)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (out / "manifests").mkdir(parents=True)
    for path in (out, out / "manifests"):
        path.chmod(0o777)
    sources = sorted(path for path in photographs.fetch().iterdir() if path.suffix == ".jpg")[:6]
    for source in sources:
        (folder / source.name).write_bytes(source.read_bytes())
    items = [source.name for source in sources] * 25
    (out / "manifests" / "all.json").write_text(json.dumps(items))

    async def in_a_job() -> float:
        engine, ledger, clock = (
            DockerEngine(docker_client, workload_image, "images-benchmark"),
            Ledger(),
            RunClock(),
        )
        bench = Bench(
            run="images-benchmark", block=0, warmup=False, arm="batch", workload="thumbnail", engine=engine,
            clock=clock, recorder=ledger, watcher=ledger, store_in=folder, store_out=out, settings={"sizes": [256]},
        )  # fmt: skip
        runner = JobRunner(bench, Limits(vcpu=1.0, memory_bytes=885 * MIB), "docker")
        batch = Batch(runner, clock, Unheard())
        batch.add_environment(EnvironmentSettings(name="docker", kind="FARGATE", max_vcpu=1))
        batch.add_queue("q", 1, ("docker",))
        readings: list[float] = []
        unwatch = ledger.unwatch
        ledger.unwatch = lambda c: (readings.append(c.usage().cpu_s), unwatch(c))  # type: ignore[method-assign, assignment, func-returns-value, union-attr, arg-type]
        definition = JobDefinition(
            name="thumbnail", command=("python3", "-m", "workloads.thumbnail.job"), vcpu=1, memory_mb=885
        )
        try:
            job = batch.submit(Submission(name="thumbnail", queue="q", definition=definition))
            runner.share(job, Share("manifests/all.json", ()))  # type: ignore[arg-type]
            await batch.done(job)
            await runner.close()
            assert job.state is State.SUCCEEDED, job.reason
        finally:
            await batch.close()
            await engine.close()
        return readings[0]

    def work() -> dict[str, float]:
        plain = subprocess.run(
            [sys.executable, "-c", PLAIN_LOOP, str(folder), json.dumps(items)],
            capture_output=True, text=True, check=True, cwd=root,
        )  # fmt: skip
        job_s = asyncio.run(in_a_job())
        return {
            "images_per_core_second": len(items) / job_s,
            "ratio_to_plain_loop": float(plain.stdout) / job_s,
        }

    assert told(benchmark, work)["ratio_to_plain_loop"] >= 0.95
