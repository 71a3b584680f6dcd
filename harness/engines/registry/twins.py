"""An image and its twins in a registry: the same files, and not a layer in common.

Docker keeps a layer for as long as any container uses it, so that a second pull of an image moves nothing. Each layer
of each twin has a digest of its own, since a pax header stands before its tar: no file, and passed over when unpacked.
Both tar and gzip may be written in pieces, so a twin takes no second compression.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import docker
import requests
from docker.errors import DockerException

from harness.engines.base import LABEL, EngineError
from harness.engines.registry.repository import Blob, Hosted, Repository

# The label that twins carry, with the image that they are of: what a crash left behind is found by it.
LABEL_TWIN = f"{LABEL}.twin"
# As `docker push` has it.
GZIP_LEVEL = 6
PARALLEL = 2
CHUNK_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a tar, and the same compressed."""

    tar: Path
    packed: Path


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image as files, in a folder for more of them."""

    id: str
    config: bytes
    layers: tuple[Layer, ...]
    folder: Path


def push(
    client: docker.DockerClient, repository: Repository, image_id: str, twins: int, say: Callable[[str], None]
) -> tuple[Hosted, tuple[Hosted, ...]]:
    """The image and so many twins, in the registry; what is there is not sent again. EngineError if it fails."""
    short = short_id(image_id)
    marks: dict[str, str | None] = {short: None}
    marks |= {f"{short}-twin-{number}": f"twin {number} of {image_id}" for number in range(twins)}
    found = {tag: repository.find(tag) for tag in marks}
    missing = [tag for tag, hosted in found.items() if hosted is None]
    if missing:
        say(f"pushing the image to {repository.address}: {len(missing)} times, no two with a layer in common")
        with unpacked(client, image_id) as image:
            found |= {tag: push_one(repository, image, tag, marks[tag]) for tag in missing}
    plain, *others = (hosted for hosted in found.values() if hosted is not None)
    return plain, tuple(others)


def push_one(repository: Repository, image: Unpacked, tag: str, mark: str | None) -> Hosted:
    """The image as it is, or a twin that `mark` tells from all others."""
    diff_ids, blobs = [], []
    for number, layer in enumerate(image.layers):
        header = pax_comment(f"{mark}, layer {number}") if mark else b""
        if header:
            diff_ids.append(_digest(layer.tar, header))
        blobs.append(_put_layer(repository, image.folder, layer, header))
    if mark is None:
        # Not a byte of it may change, for its digest is the image's name.
        return repository.put(tag, image.config, blobs)
    config = json.loads(image.config)
    config["rootfs"]["diff_ids"] = diff_ids
    config["config"]["Labels"] = (config["config"].get("Labels") or {}) | {LABEL_TWIN: short_id(image.id)}
    return repository.put(tag, json.dumps(config).encode(), blobs)


def short_id(image_id: str) -> str:
    """Enough of an image's id to tell it from others, in tags and labels."""
    return image_id.removeprefix("sha256:")[:16]


def pax_comment(text: str) -> bytes:
    """A tar's global header of one comment: 1 KiB.

    Source: POSIX.1-2017, pax, "pax Extended Header": the keyword `comment` shall be ignored by the pax utility.
    """
    return tarfile.TarInfo.create_pax_global_header({"comment": text})


@contextmanager
def unpacked(client: docker.DockerClient, image_id: str) -> Iterator[Unpacked]:
    """The image as files, for as long as the context lasts. EngineError if the engine does not give it."""
    with tempfile.TemporaryDirectory(prefix="placement-harness-push-") as name:
        folder = Path(name)
        archive = folder / "image.tar"
        try:
            with archive.open("wb") as file:
                for chunk in client.images.get(image_id).save(chunk_size=CHUNK_BYTES):
                    file.write(chunk)
        except (DockerException, requests.RequestException) as error:
            raise EngineError(f"the engine does not give the image {image_id}: {error}") from error
        with tarfile.open(archive) as saved:
            about = json.load(_member(saved, "manifest.json"))[0]
            config = _member(saved, about["Config"]).read()
            tars = []
            for number, path in enumerate(about["Layers"]):
                tars.append(folder / f"{number}.tar")
                _copy_layer(_member(saved, path), tars[-1])
        archive.unlink()
        with ThreadPoolExecutor(PARALLEL) as pool:
            layers = tuple(pool.map(_pack, tars))
        yield Unpacked(image_id, config, layers, folder)


def _member(saved: tarfile.TarFile, path: str) -> IO[bytes]:
    found = saved.extractfile(path)
    if found is None:
        raise EngineError(f"the engine's copy of the image has no file {path}")
    return found


def _copy_layer(source: IO[bytes], target: Path) -> None:
    """A layer's tar; engines that keep layers compressed save them so."""
    compressed = source.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    source.seek(0)
    with target.open("wb") as file:
        shutil.copyfileobj(gzip.GzipFile(fileobj=source) if compressed else source, file, CHUNK_BYTES)


def _pack(tar: Path) -> Layer:
    packed = tar.with_suffix(".tar.gz")
    with (
        tar.open("rb") as source,
        packed.open("wb") as raw,
        gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, CHUNK_BYTES)
    return Layer(tar, packed)


def _put_layer(repository: Repository, folder: Path, layer: Layer, header: bytes) -> Blob:
    if not header:
        return repository.put_file(layer.packed)
    marked = folder / f"marked-{layer.packed.name}"
    with marked.open("wb") as file, layer.packed.open("rb") as packed:
        file.write(gzip.compress(header, mtime=0))
        shutil.copyfileobj(packed, file, CHUNK_BYTES)
    try:
        return repository.put_file(marked)
    finally:
        marked.unlink()


def _digest(path: Path, header: bytes) -> str:
    whole = hashlib.sha256(header)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
    return f"sha256:{whole.hexdigest()}"
