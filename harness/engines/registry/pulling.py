"""Pulls the image for each container: a twin that nothing uses, moved as a whole, and removed after its container."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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
    """A twin, the pulls and containers that use it, and whether layers of it may be here.

    `failures` counts removals that the engine refused; `turn` is held by whoever pulls or removes it.
    """

    hosted: Hosted
    users: int = 0
    here: bool = False
    failures: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def fresh(self) -> bool:
        """Whether a pull of it moves everything."""
        return not self.users and not self.here

    @property
    def spent(self) -> bool:
        """Whether it is here for nobody."""
        return self.here and not self.users


class TwinPuller:
    """A `Puller` over the twins of one image.

    Removing images takes the machine's disk from the pulls that are measured, so it waits until `settle`, or until no
    twin is fresh. Where all are in use, a pull takes one that the fewest use, and finds its layers here.
    """

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
        self._removals: set[asyncio.Task[None]] = set()
        self._told: list[str] = []
        self._threads = ThreadPoolExecutor(2 * len(twins), "pull")
        remove_twins(client, image_id)

    async def pull(self) -> Pulled:
        """Pull a twin; EngineError if Docker or the registry cannot."""
        twin = min(self._twins.values(), key=lambda one: (one.users, one.here))
        twin.users += 1
        self._keep_one_fresh()
        # A thread cannot be cancelled, and the turn lasts until it is done.
        pulling = asyncio.create_task(self._pull_in_turn(twin))
        try:
            return await asyncio.shield(pulling)
        except BaseException:
            pulling.add_done_callback(lambda done: self._given_up(twin, done))
            raise

    def release(self, pulled: Pulled) -> None:
        """Its layers go when there is time, or need."""
        self._twins[pulled.reference].users -= 1
        self._keep_one_fresh()

    async def settle(self) -> list[str]:
        """Remove every twin that nothing uses."""
        for twin in self._twins.values():
            if twin.spent:
                self._begin_removal(twin)
        while self._removals:
            await asyncio.gather(*self._removals)
        told, self._told = list(dict.fromkeys(self._told)), []
        return told

    def close(self) -> None:
        """Wait for pulls that are under way, and remove every twin that is here."""
        self._threads.shutdown(cancel_futures=True)
        # A daemon that is gone has its leftovers found by `harness doctor`.
        with contextlib.suppress(DockerException, requests.RequestException):
            remove_twins(self._client, self._image_id)

    def _given_up(self, twin: _Twin, pulling: asyncio.Task[Pulled]) -> None:
        """It failed, or whoever wanted it has gone."""
        if not pulling.cancelled():
            pulling.exception()  # it has been told, or there is nobody to tell
        twin.users -= 1

    def _keep_one_fresh(self) -> None:
        """By one removal at a time, since each takes the disk from pulls that are measured."""
        twins = self._twins.values()
        if self._removals or any(twin.fresh for twin in twins):
            return
        spent = min((twin for twin in twins if twin.spent), key=lambda one: one.failures, default=None)
        if spent is not None:
            self._begin_removal(spent)

    def _begin_removal(self, twin: _Twin) -> None:
        removal = asyncio.create_task(self._remove_in_turn(twin))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def _pull_in_turn(self, twin: _Twin) -> Pulled:
        begun_s = time.monotonic()
        async with twin.turn:
            if twin.here and twin.users == 1:
                await self._try_to_remove(twin)
            twin.here = True  # even a pull that fails may leave layers
            waited_s = time.monotonic() - begun_s
            return replace(await self._call(lambda: self._pull(twin.hosted)), waited_s=waited_s)

    async def _remove_in_turn(self, twin: _Twin) -> None:
        async with twin.turn:
            if twin.spent:
                await self._try_to_remove(twin)

    async def _try_to_remove(self, twin: _Twin) -> None:
        """Where it fails the next pull finds layers here, and counts them."""
        try:
            await self._call(lambda: self._remove(twin.hosted))
        except EngineError as error:
            self._told.append(str(error))
            twin.failures += 1
        else:
            twin.here = False

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

    def _remove(self, twin: Hosted) -> None:
        """EngineError unless every layer is gone."""
        try:
            told: list[dict[str, Any]] = self._client.api.remove_image(twin.reference)
        except ImageNotFound:  # a pull that failed left it without a name
            return
        except (DockerException, requests.RequestException) as error:
            raise EngineError(f"could not remove {twin.reference}: {error}") from error
        deleted = {entry.get("Deleted") for entry in told}
        if left := [chain_id for chain_id in twin.chain_ids if chain_id not in deleted]:
            raise EngineError(
                f"{len(left)} of {len(twin.layers)} layers of {twin.reference} are still here after it was removed: "
                "another image has them"
            )


def remove_twins(client: docker.DockerClient, image_id: str | None = None) -> list[str]:
    """Remove the twins that are here, of one image or of all; returns their names. One in use stays."""
    label = LABEL_TWIN if image_id is None else f"{LABEL_TWIN}={short_id(image_id)}"
    removed = []
    for image in client.images.list(filters={"label": label}):
        for name in image.tags or [str(image.id)]:
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
