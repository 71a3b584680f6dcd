"""The corpus: pictures for the thumbnail workload, built from free photographs, or a folder of one's own.

    corpus = RECIPE.build(Path(".cache/corpus"), items=24, seed=1)
    corpus = RECIPE.from_folder(Path("~/Pictures").expanduser())

corpus.json tells of each picture its size, source, author and licence. The same recipe version, seed, number of items
and Pillow give the same files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL

from workloads.kit.corpus import Entries, Item, Recipe
from workloads.thumbnail.photographs import fetch
from workloads.thumbnail.recipe import VERSION, Picture, draw, make

Progress = Callable[[int, int], None]


def recipe(progress: Progress | None = None, sources: Path | None = None) -> Recipe:
    """How the pictures are made; `progress(done, items)` is called after each.

    `sources` is a folder with the source photographs; without it they are fetched, or CorpusUnavailable is raised.
    """

    def make_all(items: int, seed: int) -> Iterator[Item]:
        folder, plan = sources or fetch(), draw(items, seed)
        # Pillow lets go of the interpreter lock while it computes: threads do, and share one import.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, item in enumerate(pool.map(lambda picture: _make_one(picture, folder), plan), 1):
                yield item
                if progress:
                    progress(done, items)

    suffixes = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff")
    versions: dict[str, int | str] = {"recipe": VERSION, "pillow": PIL.__version__}
    return Recipe(make_all, "pictures", suffixes, versions, _megapixels)


def _make_one(picture: Picture, sources: Path) -> Item:
    source = picture.source
    about = {
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
        "changes": "cropped, mirrored, scaled and compressed again",
    }
    return Item(picture.key, make(picture, sources), about)


def _megapixels(entries: Entries) -> str:
    megapixels = [entry["width"] * entry["height"] / 1e6 for entry in entries]
    return f"{min(megapixels):.1f} to {max(megapixels):.1f} megapixels"


RECIPE = recipe()
