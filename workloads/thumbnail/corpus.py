"""The corpus: pictures for the thumbnail workload, built from free photographs, or a folder of one's own.

    corpus = build(Path(".cache/corpus"), items=24, seed=1)
    corpus = from_folder(Path("~/Pictures").expanduser())

A built corpus is one folder with corpus.json beside the pictures: for each its bytes, SHA-256, size, source, author
and licence. The same recipe version, seed, number of items and Pillow give the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL

from workloads.kit.errors import CorpusUnavailable
from workloads.thumbnail.photographs import fetch
from workloads.thumbnail.recipe import VERSION, Picture, draw, make

MANIFEST = "corpus.json"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pictures under one folder: their keys are paths relative to it. The digest tells one corpus from another."""

    root: Path
    keys: tuple[str, ...]
    digest: str
    description: str


def build(
    target: Path, items: int, seed: int, progress: Progress | None = None, sources: Path | None = None
) -> Corpus:
    """Build `items` pictures into the folder `target`, or use it as it is when it holds just those.

    `progress(done, items)` is called after each picture. `sources` is a folder with the source photographs;
    without it they are fetched. Raises CorpusUnavailable, or ValueError for a wrong number of items or a target
    that holds something else.
    """
    if items < 1:
        raise ValueError(f"items is {items}; a corpus has at least 1")
    asked = {"recipe": VERSION, "seed": seed, "items": items, "pillow": PIL.__version__}
    target = target.resolve()
    manifest = _read_manifest(target)
    if manifest is None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is no corpus: choose another folder")
    if manifest is None or manifest.get("asked") != asked or not _intact(target, manifest["pictures"]):
        manifest = _build(target, asked, progress, sources or fetch())
    return _corpus(target, manifest)


def from_folder(folder: Path) -> Corpus:
    """A folder of one's own pictures, used in place; raises CorpusUnavailable when it holds none."""
    root = folder.resolve()
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise CorpusUnavailable(
            f"{folder} holds no pictures: looked for files that end in {', '.join(SUFFIXES)}"
        )
    keys = tuple(path.relative_to(root).as_posix() for path in files)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    digest = _digest(list(zip(keys, hashes, strict=True)))
    return Corpus(root, keys, digest, f"{len(keys)} pictures of {root}")


def _build(target: Path, asked: dict[str, Any], progress: Progress | None, sources: Path) -> dict[str, Any]:
    """Make all pictures in a temporary folder and put it in place in one step."""
    plan = draw(asked["items"], asked["seed"])
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        pictures = []
        # Pillow lets go of the interpreter lock while it computes: threads do, and share one import.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for entry in pool.map(lambda picture: _make_file(picture, sources, scratch), plan):
                pictures.append(entry)
                if progress:
                    progress(len(pictures), len(plan))
        manifest = {
            "asked": asked,
            "changes": "cropped, mirrored, scaled and compressed again",
            "pictures": pictures,
        }
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        scratch.chmod(0o755)  # containers read it as another user
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return manifest


def _make_file(picture: Picture, sources: Path, folder: Path) -> dict[str, Any]:
    """Make one picture, write it, and return its entry in the manifest."""
    data = make(picture, sources)
    (folder / picture.key).write_bytes(data)
    source = picture.source
    return {
        "key": picture.key,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": picture.width,
        "height": picture.height,
        "format": "jpeg" if picture.kind == "progressive" else picture.kind,
        "progressive": picture.kind == "progressive",
        "quality": picture.quality,
        "orientation": picture.orientation,
        "upscaled": round(picture.upscaled, 3),
        "source": source.file,
        "title": source.title,
        "author": source.author,
        "licence": source.licence,
        "licence_url": source.licence_url,
    }


def _read_manifest(target: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "pictures" in manifest else None


def _intact(target: Path, pictures: list[dict[str, Any]]) -> bool:
    return all(
        (target / entry["key"]).is_file()
        and hashlib.sha256((target / entry["key"]).read_bytes()).hexdigest() == entry["sha256"]
        for entry in pictures
    )


def _corpus(target: Path, manifest: dict[str, Any]) -> Corpus:
    pictures = manifest["pictures"]
    megabytes = sum(entry["bytes"] for entry in pictures) / 1e6
    megapixels = sorted(entry["width"] * entry["height"] / 1e6 for entry in pictures)
    description = (
        f"{len(pictures)} photographs, {megabytes:.0f} MB, {megapixels[0]:.1f} to {megapixels[-1]:.1f} megapixels, "
        f"recipe {manifest['asked']['recipe']}, seed {manifest['asked']['seed']}"
    )
    return Corpus(target, tuple(entry["key"] for entry in pictures), _digest(manifest), description)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
