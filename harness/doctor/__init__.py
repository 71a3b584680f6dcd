"""Tells what this machine can and cannot measure, and how to mend it; removes what crashed runs left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import DockerException

from harness.doctor import engine, machine
from harness.doctor.cleaning import clean
from harness.doctor.finding import Finding

__all__ = ["Finding", "clean", "examine"]


def examine(
    root: Path = Path(), connect: Callable[[], docker.DockerClient] = engine.connect_impatiently
) -> list[Finding]:
    """Everything about the engine and the machine, for results under `root`; takes three seconds at most."""
    # The load is read first: looking at the engine adds to it.
    findings = list(machine.look(root))
    try:
        client = connect()
    except (DockerException, OSError) as error:
        return [engine.absent(error), engine.balancer(None), *findings]
    try:
        return [*engine.look(client), *findings]
    except (DockerException, OSError) as error:
        return [engine.absent(error), *findings]
    finally:
        client.close()
