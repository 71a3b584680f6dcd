"""The Python image that workload images stand on: pulled from a registry, else built from Debian packages.

Both are Debian with Python 3.11. The built one is named by the digest of its recipe, and made once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from harness.engines.base import LABEL, EngineError

PULLED = "python:3.11-slim"
REGISTRY_PATIENCE_S = 5.0
_DEBIAN_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}

# Python, the certificates that boto3 looks for, and the C++ library of awslambdaric's runtime client. Manuals and
# translations would only cost pull time.
_RECIPE = (
    "mmdebstrap",
    "--quiet",
    "--variant=essential",
    "--include=python3,ca-certificates,libstdc++6",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--format=tar",
)
_SUITE = "bookworm"
_CHANGES = (f"LABEL {LABEL}=base", "ENV LANG=C.UTF-8", 'CMD ["python3"]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base image that is on this machine now."""

    reference: str
    id: str


def built_reference() -> str:
    """The name of the base that this recipe makes: a new recipe is a new name."""
    recipe = "\n".join((*_RECIPE, _SUITE, *_CHANGES))
    return f"{LABEL}/base:{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def present_base(client: docker.DockerClient) -> Base | None:
    """The base that is here already, the pulled one first."""
    for reference in (PULLED, built_reference()):
        try:
            return Base(reference=reference, id=_id_of(client, reference))
        except ImageNotFound:
            continue
    return None


def ensure_base(client: docker.DockerClient, architecture: str, say: Callable[[str], None]) -> Base:
    """A base for `x86_64` or `aarch64`: one that is here, else a pulled one, else a built one."""
    return present_base(client) or _pull(client, say) or _build(client, architecture, say)


def registry_answers(client: docker.DockerClient, patience_s: float = REGISTRY_PATIENCE_S) -> bool:
    """Whether the daemon reaches a registry that has the base.

    Asked in a thread of its own, for a daemon behind a silent firewall takes minutes to give up.
    """
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(client.images.get_registry_data(PULLED))
        except (DockerException, OSError):
            return

    asking = threading.Thread(target=ask, name="ask-registry", daemon=True)
    asking.start()
    asking.join(patience_s)
    return bool(answers)


def _pull(client: docker.DockerClient, say: Callable[[str], None]) -> Base | None:
    if not registry_answers(client):
        return None
    say(f"pulling {PULLED}")
    try:
        client.images.pull(PULLED)
    except (DockerException, OSError) as error:
        say(f"could not pull {PULLED} ({error}): building a base instead")
        return None
    return Base(reference=PULLED, id=_id_of(client, PULLED))


def _build(client: docker.DockerClient, architecture: str, say: Callable[[str], None]) -> Base:
    if shutil.which(_RECIPE[0]) is None:
        raise EngineError(
            f"No base image: {PULLED} is not here, no registry answers, and mmdebstrap, which would build one "
            "from Debian packages, is not installed. Mend it with `sudo apt-get install mmdebstrap "
            f"debian-archive-keyring`, or `docker load` {PULLED}, or use `--engine process`."
        )
    say(f"no registry answers: building a base image from Debian {_SUITE} packages (about 30 s, once)")
    reference = built_reference()
    repository, tag = reference.split(":")
    with tempfile.TemporaryDirectory(prefix="placement-harness-base-") as folder:
        # mmdebstrap drops its privileges where it has any, and must still be able to write here.
        tarball = Path(folder) / "root.tar"
        _bootstrap(tarball, architecture)
        client.api.import_image_from_file(
            str(tarball), repository=repository, tag=tag, changes=list(_CHANGES)
        )
    return Base(reference=reference, id=_id_of(client, reference))


def _bootstrap(tarball: Path, architecture: str) -> None:
    command = [
        *_RECIPE,
        f"--architectures={_DEBIAN_ARCHITECTURE[architecture]}",
        _SUITE,
        str(tarball),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise EngineError(
            f"mmdebstrap could not build a base image (exit code {done.returncode}):\n"
            f"{done.stderr.strip()[-2000:]}\n"
            "Check that this machine reaches a Debian mirror (`sudo apt-get update`), or `docker load` "
            f"{PULLED}, or use `--engine process`."
        )


def _id_of(client: docker.DockerClient, reference: str) -> str:
    image_id = client.images.get(reference).id
    if image_id is None:
        raise EngineError(f"Docker gave no id for the image {reference}: is the daemon well (`docker info`)?")
    return image_id
