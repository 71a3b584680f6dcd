"""Docker's pause, for where the control group's freezer may not be written."""

from __future__ import annotations

import docker
from docker.errors import APIError, NotFound

from harness.engines.base import EngineError

UNPAUSE_TRIES = 5


def pause(api: docker.APIClient, container_id: str) -> bool:
    """Docker's pause, which may fail although it has worked, and the other way round: its state decides."""
    try:
        api.pause(container_id)
    except APIError:
        return _is_paused(api, container_id)
    return True


def unpause(api: docker.APIClient, container_id: str) -> None:
    """Undo `pause`; no error if it was not paused. EngineError if it stays paused."""
    for _ in range(UNPAUSE_TRIES):
        try:
            api.unpause(container_id)
        except APIError:
            if _is_paused(api, container_id):
                continue
        return
    raise EngineError(f"{container_id[:12]}: Docker does not unpause it")


def _is_paused(api: docker.APIClient, container_id: str) -> bool:
    try:
        return bool(api.inspect_container(container_id)["State"]["Paused"])
    except NotFound:
        return False
