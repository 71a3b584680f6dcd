"""What tests of several folders share: the Docker engine and the workload's image."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException
from hypothesis import HealthCheck, settings

from harness.engines import load_balancer as balancers
from harness.engines.base import Engine, LoadBalancer
from harness.engines.docker import DockerEngine
from harness.engines.image import Image, architecture, ensure_image
from harness.engines.process import ProcessEngine

ROOT = Path(__file__).parent.parent
_NUMBERS = itertools.count()

# A busy machine is slow, and that is no failure. All else is as hypothesis has it: in CI it draws the same each time.
settings.register_profile("busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@cache
def no_docker() -> str:
    """Why there is no Docker engine; empty if one answers."""
    if os.environ.get("DOCKER") == "no":
        return "DOCKER=no"
    try:
        docker.from_env(timeout=10).close()
    except (DockerException, OSError) as error:
        return str(error)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") is None or not (reason := no_docker()):
        return
    if os.environ.get("HARNESS_REQUIRE_DOCKER") == "1":
        pytest.fail(f"HARNESS_REQUIRE_DOCKER=1 and no Docker engine answers: {reason}", pytrace=False)
    pytest.skip(f"no Docker engine: {reason}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    """A client of the machine's engine; only for tests marked `docker`."""
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def workload_image(docker_client: docker.DockerClient) -> Image:
    """The image of the thumbnail workload, built if this machine does not have it."""
    return ensure_image(docker_client, "thumbnail", ROOT, print)


@pytest.fixture(scope="session")
def load_balancer(docker_client: docker.DockerClient) -> LoadBalancer:
    """The image of HAProxy, made if this machine does not have it."""
    return balancers.ensure_image(docker_client, architecture(docker_client), print)


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def make_engine(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Makes engines of each kind, each for a run of its own."""
    if request.param == "process":
        return ProcessEngine
    make: Callable[[], Engine] = request.getfixturevalue("make_docker")
    return make


@pytest.fixture
def make_docker(
    docker_client: docker.DockerClient, workload_image: Image, load_balancer: LoadBalancer
) -> Callable[[], Engine]:
    """Makes Docker engines, each for a run of its own."""
    return lambda: DockerEngine(docker_client, workload_image, f"test-{next(_NUMBERS)}", load_balancer)
