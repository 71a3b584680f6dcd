"""Functions of the images here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import docker
import pytest

from harness.engines.docker import DockerEngine
from harness.scenario import FunctionSettings
from tests.conformance import images
from tests.conformance.lab import ROOMY, Check, Lab, carry_out

OnFunction = Callable[..., Lab]


@pytest.fixture(scope="session")
def image_of(docker_client: docker.DockerClient) -> Callable[[str], str]:
    """The reference of an image by the name of its folder."""
    return cache(lambda name: images.ensure(docker_client, name))


@pytest.fixture
def on_function(make_docker: Callable[[], DockerEngine], image_of: Callable[[str], str]) -> OnFunction:
    """Runs a check on an open function: `on_function(check, image="python", **settings)`; a folder or a reference."""

    def run(check: Check, image: str = "python", **settings: Any) -> Lab:
        reference = image_of(image) if image in images.FILL else image
        chosen = FunctionSettings(**(ROOMY | {"image": reference} | settings))
        return carry_out(make_docker, chosen, check)

    return run
