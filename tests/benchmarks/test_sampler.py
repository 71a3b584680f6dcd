"""What sampling costs: real containers' control groups, read, made into rows and recorded, in CPU time.

The target is 20 readings a second of 20 containers for at most 3 % of one core: 75 us a reading, all in all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from harness.clock import RunClock
from harness.engines.image import Image
from harness.measure import cgroup
from harness.measure.sampler import PERIOD_S, Sampler
from harness.measure.usage import Usage

CONTAINERS = 20
SHARE_OF_A_CORE = 0.03
SAMPLED_S = 5.0

pytestmark = [pytest.mark.docker, pytest.mark.timed]


class Real:
    """A running container, as the sampler sees one."""

    def __init__(self, container: Any) -> None:
        container.reload()
        pid = int(container.attrs["State"]["Pid"])
        self.name = str(container.name)
        self.group = cgroup.ContainerGroup(cgroup.folders_of(pid, str(container.id)), {}, pid)

    def usage(self) -> Usage | None:
        return self.group.usage()

    def brief_usage(self) -> Usage | None:
        return self.group.brief_usage()


@pytest.fixture(scope="module")
def groups(docker_client: docker.DockerClient, workload_image: Image) -> Iterator[list[Real]]:
    sleep = ["python3", "-c", "import time; time.sleep(300)"]
    made = [
        docker_client.containers.run(
            workload_image.id, sleep, detach=True, network_mode="none", labels=["bench"]
        )
        for _ in range(CONTAINERS)
    ]
    found = [Real(container) for container in made]
    yield found
    for group in found:
        group.group.close()
    for container in made:
        container.remove(force=True)


def test_twenty_containers_twenty_times_a_second(benchmark: Any, groups: list[Real]) -> None:
    rows: list[Any] = []

    def sample() -> Sampler:
        sampler = Sampler("r", RunClock(), rows.append)
        for group in groups:
            sampler.watch(group, "function", 0)
        sampler.start()
        time.sleep(SAMPLED_S)
        sampler.stop()
        return sampler

    sampler = benchmark.pedantic(sample, rounds=1)
    share = sampler.cpu_s / SAMPLED_S
    readings = sum(row.container != "host" for row in rows)
    benchmark.extra_info |= {"share_of_a_core": share, "us_per_reading": sampler.cpu_s / readings * 1e6}
    assert readings >= 0.9 * CONTAINERS * SAMPLED_S / PERIOD_S
    assert share <= SHARE_OF_A_CORE


@pytest.mark.parametrize("kind", ["usage", "brief_usage"])
def test_one_reading(benchmark: Any, groups: list[Real], kind: str) -> None:
    found = benchmark.pedantic(getattr(groups[0], kind), rounds=200, iterations=20, warmup_rounds=10)
    assert found.cpu_s > 0
