"""The run's image in a registry, ready to be pulled; everything that this takes is undone at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import docker

from harness.engines.base import LABEL
from harness.engines.registry import twins
from harness.engines.registry.local import local_registry, storage_of
from harness.engines.registry.login import credentials
from harness.engines.registry.pulling import TwinPuller
from harness.engines.registry.repository import Hosted, Repository, speaks_http
from harness.scenario import RegistrySettings
from harness.scenario.registry import LEAST_TWINS, LOCAL, MOST_TWINS


@dataclass(frozen=True, slots=True)
class Hosting:
    """The image, and what pulls its twins where they are to be pulled."""

    image: Hosted
    registry: str
    puller: TwinPuller | None
    twins: int

    def describe(self) -> dict[str, object]:
        """For the manifest, beside what is known of the image on this machine."""
        return {
            "registry": self.registry,
            "repository": self.image.repository,
            "digest": self.image.digest,
            "compressed_bytes": self.image.compressed_bytes,
            "layers": len(self.image.layers),
            "pull": "never" if self.puller is None else "always",
            "twins": self.twins,
        }


@contextlib.contextmanager
def hosted(
    client: docker.DockerClient,
    image_id: str,
    workload: str,
    settings: RegistrySettings,
    at_once: int,
    say: Callable[[str], None],
) -> Iterator[Hosting]:
    """Have the image in the scenario's registry, for so many containers at once.

    EngineError if there is no such registry, or it does not take it.
    """
    # A container that has ended may not be gone yet when the next one starts.
    count = settings.twins or min(max(LEAST_TWINS, 2 * at_once), MOST_TWINS)
    if settings.pull == "never":
        count = 0
    with contextlib.ExitStack() as stack:
        if settings.address == LOCAL:
            address = stack.enter_context(local_registry(storage_of(image_id)))
            login = None
        else:
            address = settings.address
            login = credentials(address)
        name = settings.repository or f"{LABEL}/{workload}"
        with Repository(address, name, login, plain_http=speaks_http(client, address)) as repository:
            image, others = twins.push(client, repository, image_id, count, say)
        puller = TwinPuller(client, image_id, others, login) if others else None
        if puller is not None:
            stack.callback(puller.close)
        yield Hosting(image, settings.address, puller, count)
