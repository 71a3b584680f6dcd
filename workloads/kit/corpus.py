"""Corpora of any workload: made by a recipe and kept, or a folder of one's own. For the host alone; no image has it.

    def make(items: int, seed: int) -> Iterator[Item]:
        for index in range(items):
            yield Item(f"{index:04}.txt", b"...", {"source": "...", "licence": "..."})

    RECIPE = Recipe(make, "texts", (".txt",), {"recipe": 1})

A made corpus is one folder with corpus.json beside the items: what was asked for and, for each item, its bytes, its
SHA-256 and what the recipe tells of it. The same versions, seed and number of items give the same files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workloads.kit.errors import CorpusUnavailable

MANIFEST = "corpus.json"
Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Item:
    """One file to be written, and what the manifest should say of it: source, author, licence."""

    key: str
    data: bytes
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Items under one folder: their keys are paths relative to it. The digest tells one corpus from another."""

    root: Path
    keys: tuple[str, ...]
    digest: str
    description: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a workload's corpus is made: its `corpus` module holds one as RECIPE.

    `make(items, seed)` gives the items one by one. `what` names them, `suffixes` are those of files that may stand in
    for them. `versions` are those of the recipe and of all that the items' bytes depend on. `about` tells more of the
    items, from their entries in the manifest.
    """

    make: Callable[[int, int], Iterable[Item]]
    what: str
    suffixes: tuple[str, ...]
    versions: Mapping[str, int | str]
    about: Callable[[Entries], str] | None = None

    def build(self, target: Path, items: int, seed: int) -> Corpus:
        """Write `items` items into the folder `target`, or use it as it is when it holds just those.

        Raises ValueError for a wrong number of items or a target that holds something else, and what `make` raises.
        """
        if items < 1:
            raise ValueError(f"items is {items}; a corpus has at least 1")
        asked = {**self.versions, "seed": seed, "items": items}
        target = target.resolve()
        manifest = _read_manifest(target)
        if manifest is None and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ValueError(f"{target} exists and is no corpus: choose another folder")
        if manifest is None or manifest["asked"] != asked or not _intact(target, manifest.get("items", ())):
            manifest = _write(target, asked, self.make(items, seed))
        return self._corpus(target, manifest["items"], seed)

    def from_folder(self, folder: Path) -> Corpus:
        """A folder of one's own files, used in place; raises CorpusUnavailable when it holds none."""
        root = folder.resolve()
        files = sorted(
            path for path in root.rglob("*") if path.suffix.lower() in self.suffixes and path.is_file()
        )
        if not files:
            looked_for = ", ".join(self.suffixes)
            raise CorpusUnavailable(
                f"{folder} holds no {self.what}: looked for files that end in {looked_for}"
            )
        hashes = {path.relative_to(root).as_posix(): _sha256(path.read_bytes()) for path in files}
        return Corpus(root, tuple(hashes), _digest(hashes), f"{len(files)} {self.what} of {root}")

    def _corpus(self, target: Path, entries: Entries, seed: int) -> Corpus:
        megabytes = sum(entry["bytes"] for entry in entries) / 1e6
        told = [f"{len(entries)} {self.what}", f"{megabytes:.3g} MB"]
        told += [self.about(entries)] if self.about else []
        told += [f"{name} {version}" for name, version in self.versions.items()]
        hashes = {entry["key"]: entry["sha256"] for entry in entries}
        return Corpus(target, tuple(hashes), _digest(hashes), ", ".join((*told, f"seed {seed}")))


def _write(target: Path, asked: dict[str, Any], items: Iterable[Item]) -> dict[str, Any]:
    """Write everything into a temporary folder and put it in place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        entries = []
        for item in items:
            path = scratch / item.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.data)
            known = {"key": item.key, "bytes": len(item.data), "sha256": _sha256(item.data)}
            entries.append(known | dict(item.about))
        manifest = {"asked": asked, "items": entries}
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        for folder in (scratch, *(path for path in scratch.rglob("*") if path.is_dir())):
            folder.chmod(0o755)  # containers read it as another user
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return manifest


def _read_manifest(target: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "asked" in manifest else None


def _intact(target: Path, entries: Entries) -> bool:
    return bool(entries) and all(
        (target / entry["key"]).is_file() and _sha256((target / entry["key"]).read_bytes()) == entry["sha256"]
        for entry in entries
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest(hashes: Mapping[str, str]) -> str:
    return _sha256(json.dumps(hashes, sort_keys=True).encode())
