"""What tests of registries share: a small image of two layers, and what a registry says that it has sent."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import docker

from harness.engines.base import LABEL
from harness.engines.registry.local import local_registry

_SENT = re.compile(
    r"http\.request\.method=GET .*http\.request\.uri=\S*/blobs/.*http\.response\.written=(\d+)"
)


class Served:
    """A local registry that runs, and its log."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self._log = log
        self._seen = 0

    def sent_bytes(self) -> int:
        """Bytes of blobs that it has sent since this was last asked, in its own words."""
        text = self._log.read_text()
        new, self._seen = text[self._seen :], len(text)
        return sum(
            int(found[1])
            for line in new.splitlines()
            if "response completed" in line and (found := _SENT.search(line))
        )


@contextmanager
def a_registry(folder: Path) -> Iterator[Served]:
    """One over `folder`."""
    log = folder / "log"
    folder.mkdir(exist_ok=True)
    with local_registry(folder, log) as address:
        yield Served(address, log)


@contextmanager
def small_image(client: docker.DockerClient, *contents: bytes) -> Iterator[str]:
    """The id of an image with a layer for each of these files, `/0`, `/1`, ..., and nothing that runs."""
    context = io.BytesIO()
    recipe = ["FROM scratch", *(f"COPY {n} /{n}" for n in range(len(contents))), 'CMD ["/0"]', "WORKDIR /"]
    files = {str(n): content for n, content in enumerate(contents)} | {
        "Dockerfile": "\n".join(recipe).encode()
    }
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    context.seek(0)
    tag = f"{LABEL}-test:{uuid4().hex[:8]}"
    for _ in client.api.build(fileobj=context, custom_context=True, tag=tag, labels={LABEL: "test"}, rm=True):
        pass
    try:
        yield str(client.images.get(tag).id)
    finally:
        client.images.remove(tag)
