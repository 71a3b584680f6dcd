"""An image that others stand on or beside: one that is here, else a pulled one, else one built from Debian packages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import docker
from docker.errors import DockerException, ImageNotFound

from harness.engines import debian
from harness.engines.base import EngineError

REGISTRY_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """An image that is on this machine now."""

    reference: str
    id: str


def present(client: docker.DockerClient, pulled: str, recipe: debian.Recipe) -> Obtained | None:
    """The one of the two that is here already, the pulled one first."""
    for reference in (pulled, recipe.reference):
        try:
            return Obtained(reference=reference, id=_id_of(client, reference))
        except ImageNotFound:
            continue
    return None


def ensure(
    client: docker.DockerClient,
    pulled: str,
    recipe: debian.Recipe,
    architecture: str,
    say: Callable[[str], None],
) -> Obtained:
    """The image that is here, else `pulled` from a registry, else one built by `recipe`."""
    found = present(client, pulled, recipe) or _pull(client, pulled, say)
    if found is None:
        debian.build(client, recipe, architecture, say)
        found = Obtained(reference=recipe.reference, id=_id_of(client, recipe.reference))
    return found


def registry_answers(
    client: docker.DockerClient, reference: str, patience_s: float = REGISTRY_PATIENCE_S
) -> bool:
    """Whether the daemon reaches a registry that has this image.

    Asked in a thread of its own, for a daemon behind a silent firewall takes minutes to give up.
    """
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(client.images.get_registry_data(reference))
        except (DockerException, OSError):
            return

    asking = threading.Thread(target=ask, name="ask-registry", daemon=True)
    asking.start()
    asking.join(patience_s)
    return bool(answers)


def _pull(client: docker.DockerClient, reference: str, say: Callable[[str], None]) -> Obtained | None:
    if not registry_answers(client, reference):
        return None
    say(f"pulling {reference}")
    try:
        client.images.pull(reference)
    except (DockerException, OSError) as error:
        say(f"could not pull {reference} ({error}): building one instead")
        return None
    return Obtained(reference=reference, id=_id_of(client, reference))


def _id_of(client: docker.DockerClient, reference: str) -> str:
    image_id = client.images.get(reference).id
    if image_id is None:
        raise EngineError(f"Docker gave no id for the image {reference}: is the daemon well (`docker info`)?")
    return image_id
