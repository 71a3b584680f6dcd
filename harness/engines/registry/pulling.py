"""Pulls the image for each container: a twin that nothing uses, moved as a whole, and removed after its container."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from harness.engines.base import EngineError, Pulled
from harness.engines.registry.login import Credentials
from harness.engines.registry.repository import Hosted, is_loopback
from harness.engines.registry.twins import LABEL_TWIN, short_id

T = TypeVar("T")

# How Docker's progress names a layer, and what it says of one that it has fetched and unpacked.
_SHORT = slice(len("sha256:"), len("sha256:") + 12)
_MOVED = "Pull complete"


@dataclass(slots=True, eq=False)
class _Twin:
    """A twin, the pulls and containers that use it, and whose turn it is to pull or remove it."""

    hosted: Hosted
    users: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class TwinPuller:
    """A `Puller` over the twins of one image. Where all are in use, it takes one that the fewest use."""

    def __init__(
        self,
        client: docker.DockerClient,
        image_id: str,
        twins: Sequence[Hosted],
        credentials: Credentials | None = None,
    ) -> None:
        self._client = client
        self._image_id = image_id
        self._auth = credentials.for_docker() if credentials else None
        self._twins = {twin.reference: _Twin(twin) for twin in twins}
        self._undoing: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(2 * len(twins), "pull")
        remove_twins(client, image_id)

    async def pull(self) -> Pulled:
        """Pull a twin; EngineError if Docker or the registry cannot."""
        twin = min(self._twins.values(), key=lambda one: one.users)
        twin.users += 1
        pulling = asyncio.create_task(self._in_turn(twin, lambda: self._pull(twin.hosted)))
        try:
            # A thread cannot be cancelled, and its turn lasts until it is done.
            return await asyncio.shield(pulling)
        except EngineError:
            twin.users -= 1
            raise
        except asyncio.CancelledError:
            undoing = asyncio.create_task(self._undo(twin, pulling))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            raise

    async def remove(self, pulled: Pulled) -> int:
        """Remove the twin, unless another container has been made of it meanwhile."""
        twin = self._twins[pulled.reference]
        try:
            async with twin.turn:
                if twin.users > 1:
                    return len(twin.hosted.layers)
                return await self._call(lambda: self._remove(twin.hosted))
        finally:
            twin.users -= 1

    def close(self) -> None:
        """Wait for pulls that are under way, and remove every twin that is here."""
        self._threads.shutdown(cancel_futures=True)
        remove_twins(self._client, self._image_id)

    async def _undo(self, twin: _Twin, pulling: asyncio.Task[Pulled]) -> None:
        """Whoever wanted it has gone."""
        try:
            pulled = await pulling
        except EngineError:
            twin.users -= 1
            return
        with contextlib.suppress(EngineError):  # then the next pull of it tells that its layers were here
            await self.remove(pulled)

    async def _in_turn(self, twin: _Twin, work: Callable[[], T]) -> T:
        async with twin.turn:
            return await self._call(work)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _pull(self, twin: Hosted) -> Pulled:
        told: dict[str, str] = {}
        try:
            lines = self._client.api.pull(
                twin.repository, tag=twin.tag, stream=True, decode=True, auth_config=self._auth
            )
            for line in lines:
                if "error" in line:
                    raise EngineError(_failed(twin, line["error"]))
                if "id" in line:
                    told[line["id"]] = line["status"]
        except (DockerException, requests.RequestException) as error:
            raise EngineError(_failed(twin, str(error))) from error
        moved = [layer for layer in twin.layers if told.get(layer.digest[_SHORT]) == _MOVED]
        return Pulled(
            reference=twin.reference,
            layers=len(twin.layers),
            layers_cached=len(twin.layers) - len(moved),
            compressed_bytes=sum(layer.size_bytes for layer in moved)
            + (twin.config.size_bytes if moved else 0),
        )

    def _remove(self, twin: Hosted) -> int:
        """How many of its layers are still here."""
        try:
            told: list[dict[str, Any]] = self._client.api.remove_image(twin.reference)
        except ImageNotFound:
            return 0
        except (DockerException, requests.RequestException) as error:
            raise EngineError(f"could not remove {twin.reference}: {error}") from error
        deleted = {entry.get("Deleted") for entry in told}
        return sum(chain_id not in deleted for chain_id in twin.chain_ids)


def remove_twins(client: docker.DockerClient, image_id: str | None = None) -> list[str]:
    """Remove the twins that are here, of one image or of all; returns their names. One in use stays."""
    label = LABEL_TWIN if image_id is None else f"{LABEL_TWIN}={short_id(image_id)}"
    removed = []
    for image in client.images.list(filters={"label": label}):
        name = (image.tags or [str(image.id)])[0]
        try:
            client.api.remove_image(name)
        except APIError as error:
            if error.status_code not in {404, 409}:
                raise
        else:
            removed.append(name)
    return removed


def _failed(twin: Hosted, why: str) -> str:
    mend = (
        "the engine must run on this machine to reach its registry on loopback"
        if is_loopback(twin.repository)
        else "check that the engine reaches the registry and may pull from it"
    )
    return f"could not pull {twin.reference}: {why} ({mend})"
