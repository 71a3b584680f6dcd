"""Root file systems made of Debian packages, for where no registry answers.

An image made here is named by the digest of its recipe, and made once: a new recipe is a new name.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker

from harness.engines.base import LABEL, EngineError

SUITE = "bookworm"
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
# Manuals and translations would only cost pull time.
_COMMON = (
    "mmdebstrap",
    "--quiet",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--format=tar",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What goes into an image: mmdebstrap's variant (`essential` has a shell and dpkg, `extract` the packages alone),
    packages, and changes as `docker import` takes them. `instead` is what a registry would have.
    """

    name: str
    variant: str
    packages: tuple[str, ...]
    changes: tuple[str, ...]
    instead: str

    @property
    def reference(self) -> str:
        """The image's name."""
        whole = "\n".join((*_COMMON, self.variant, *self.packages, SUITE, *self.changes))
        return f"{LABEL}/{self.name}:{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def build(client: docker.DockerClient, recipe: Recipe, architecture: str, say: Callable[[str], None]) -> None:
    """Make the image `recipe.reference` for `x86_64` or `aarch64`. EngineError says how to mend what is missing."""
    if shutil.which(_COMMON[0]) is None:
        raise EngineError(
            f"No {recipe.name} image: {recipe.instead} is not here, no registry answers, and mmdebstrap, which would "
            "build one from Debian packages, is not installed. Mend it with `sudo apt-get install mmdebstrap "
            f"debian-archive-keyring`, or `docker load` {recipe.instead}, or use `--engine process`."
        )
    say(f"no registry answers: building a {recipe.name} image from Debian {SUITE} packages (once)")
    repository, tag = recipe.reference.split(":")
    with tempfile.TemporaryDirectory(prefix=f"placement-harness-{recipe.name}-") as folder:
        # mmdebstrap drops its privileges where it has any, and must still be able to write here.
        tarball = Path(folder) / "root.tar"
        bootstrap(recipe, tarball, architecture)
        client.api.import_image_from_file(
            str(tarball), repository=repository, tag=tag, changes=list(recipe.changes)
        )


def bootstrap(recipe: Recipe, tarball: Path, architecture: str) -> None:
    """Put the root file system into `tarball`. EngineError with what mmdebstrap said."""
    command = [
        *_COMMON,
        f"--variant={recipe.variant}",
        f"--include={','.join(recipe.packages)}",
        f"--architectures={_ARCHITECTURE[architecture]}",
        SUITE,
        str(tarball),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise EngineError(
            f"mmdebstrap could not build a {recipe.name} image (exit code {done.returncode}):\n"
            f"{done.stderr.strip()[-2000:]}\n"
            "Check that this machine reaches a Debian mirror (`sudo apt-get update`), or `docker load` "
            f"{recipe.instead}, or use `--engine process`."
        )
