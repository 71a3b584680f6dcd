"""The Docker daemon, called from the event loop.

docker-py blocks, so its calls run in threads; creating and starting containers is then parallel as well.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.images import Image as DockerImage

from harness.engines.base import LABEL_RUN, EngineError
from harness.measure import cgroup

P = ParamSpec("P")
T = TypeVar("T")

API_THREADS = 16
# One thread waits for each running container.
WAIT_THREADS = 256
# A container's last words may still be on their way through the daemon when it has ended.
PUMP_PATIENCE_S = 1.0


def connect() -> docker.DockerClient:
    """A client of the machine's daemon. EngineError if none answers."""
    try:
        client = docker.from_env(timeout=120, max_pool_size=API_THREADS + WAIT_THREADS)
        client.ping()
    except DockerException as error:
        raise EngineError(f"no Docker engine answers: {error}") from None
    return client


class Daemon:
    """A client whose calls can be awaited."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.api: docker.APIClient = client.api
        self._calls = ThreadPoolExecutor(API_THREADS, "docker")
        self._waits = ThreadPoolExecutor(WAIT_THREADS, "docker-wait")

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking docker-py call in a thread; its errors become EngineError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._calls, partial(function, *args, **kwargs))
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineError(str(error)) from error

    async def wait(self, container_id: str, pump: threading.Thread | None) -> int:
        """Exit code of a container, when it has ended and `pump` has read all of its output."""

        def wait() -> int:
            try:
                answer = self.api.wait(container_id, timeout=None)
            except (DockerException, requests.exceptions.RequestException) as error:
                raise EngineError(f"the daemon went away while a container ran: {error}") from error
            if pump is not None:
                pump.join(PUMP_PATIENCE_S)
            return int(answer["StatusCode"])

        return await asyncio.get_running_loop().run_in_executor(self._waits, wait)

    async def drain(self) -> None:
        """Let calls that have begun end, also those that nobody awaits any more, and take no others."""
        await asyncio.to_thread(self._calls.shutdown, cancel_futures=True)

    def close(self) -> None:
        """Wait for no container any more."""
        self._waits.shutdown(wait=False, cancel_futures=True)


def is_gone(error: EngineError) -> bool:
    """Whether Docker refused because the container has ended or been removed already."""
    cause = error.__cause__
    return isinstance(cause, NotFound) or (isinstance(cause, APIError) and cause.status_code in {304, 409})


def find_image(client: docker.DockerClient, reference: str) -> DockerImage:
    """An image of a user's own, pulled if it is not here. EngineError if it is nowhere."""
    try:
        return client.images.get(reference)
    except ImageNotFound:
        try:
            return client.images.pull(reference)
        except (DockerException, OSError) as error:
            raise EngineError(
                f"image {reference!r} is not on this machine and cannot be pulled ({error}); "
                "build or `docker load` it first"
            ) from error


def remove_run(client: docker.DockerClient, run: str) -> None:
    """Remove every container and network that carries the run's label."""
    label: dict[str, Any] = {"label": f"{LABEL_RUN}={run}"}
    for container in client.containers.list(all=True, filters=label, ignore_removed=True):
        container.remove(force=True, v=True)
        cgroup.remove_parent(str(container.name))
    for network in client.networks.list(filters=label):
        network.remove()
