"""The Python image that workload images stand on. Pulled or built, it is Debian with Python 3.11."""

from __future__ import annotations

from collections.abc import Callable

import docker

from harness.engines import debian, obtain
from harness.engines.base import LABEL

PULLED = "python:3.11-slim"

# Python, the certificates that boto3 looks for, and the C++ library of awslambdaric's runtime client.
RECIPE = debian.Recipe(
    name="base",
    variant="essential",
    packages=("python3", "ca-certificates", "libstdc++6"),
    changes=(f"LABEL {LABEL}=base", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
    instead=PULLED,
)


def present_base(client: docker.DockerClient) -> obtain.Obtained | None:
    """The base that is here already, the pulled one first."""
    return obtain.present(client, PULLED, RECIPE)


def ensure_base(
    client: docker.DockerClient, architecture: str, say: Callable[[str], None]
) -> obtain.Obtained:
    """A base for `x86_64` or `aarch64`: one that is here, else a pulled one, else a built one."""
    return obtain.ensure(client, PULLED, RECIPE, architecture, say)
