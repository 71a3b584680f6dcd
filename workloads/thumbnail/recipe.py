"""The recipe of the corpus: which pictures a phone-like collection holds, drawn from a seed, and how one is made.

Drawing is pure and quick; making one picture takes 0.1 to 1 s. A photograph is cropped, mirrored at times, reduced
and compressed again. It is enlarged only where no source is large enough, and the manifest then says by how much.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from workloads.thumbnail.photographs import Photograph, catalogue

VERSION = 1

# Width, height in pixels, and how many in a hundred: most phones store 12 megapixels.
_SHAPES: tuple[tuple[int, int, int], ...] = (
    (816, 612, 5),  # 0.5 megapixels: sent by a messenger
    (1280, 960, 8),
    (1920, 1080, 11),
    (2592, 1944, 11),
    (3264, 2448, 14),
    (4032, 3024, 24),
    (4000, 3000, 8),
    (4608, 2592, 8),
    (4624, 3468, 6),  # 16 megapixels
    (6000, 4000, 5),  # 24 megapixels: a camera
)
# Kind of file, the largest megapixels it is used for, and how many in a hundred. A photograph larger than that
# is a JPEG, as it is in life; a PNG is a screenshot or an export.
_KINDS: tuple[tuple[str, float, int], ...] = (
    ("jpeg", 100, 74),
    ("progressive", 100, 10),
    ("webp", 8.5, 10),
    ("png", 2.5, 6),
)
_SUFFIX = {"jpeg": "jpg", "progressive": "jpg", "webp": "webp", "png": "png"}
_ROTATED_SHARE = 0.25  # of the JPEGs: held upright, stored sideways, with EXIF orientation 6 or 8
_PORTRAIT_SHARE = 0.25  # of the others: stored upright
_MIRRORED_SHARE = 0.5  # so that few sources look like more
_SPARE_SOURCES = 3  # to choose among when none is large enough


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to be made: from which source, by which crop (left, top, right, bottom), as what."""

    key: str
    source: Photograph
    crop: tuple[float, float, float, float]
    width: int
    height: int
    kind: str
    quality: int
    orientation: int
    mirrored: bool
    upscaled: float


def draw(items: int, seed: int) -> list[Picture]:
    """Plan the pictures. Each has a generator of its own, so that a longer corpus begins like a shorter one."""
    return [_draw_one(index, np.random.default_rng([VERSION, seed, index])) for index in range(items)]


def _draw_one(index: int, random: np.random.Generator) -> Picture:
    kind, largest = _pick_kind(random)
    shapes = [shape for shape in _SHAPES if shape[0] * shape[1] <= largest * 1e6]
    width, height, _ = shapes[_weighted(random, [weight for *_, weight in shapes])]
    rotated = kind in ("jpeg", "progressive") and random.random() < _ROTATED_SHARE
    if not rotated and random.random() < _PORTRAIT_SHARE:
        width, height = height, width
    source, scale = _pick_source(random, width, height)
    return Picture(
        key=f"{index:04d}.{_SUFFIX[kind]}",
        source=source,
        crop=_pick_crop(random, source, width / height, scale),
        width=width,
        height=height,
        kind=kind,
        quality=int(random.integers(76, 96)),
        orientation=int(random.choice([6, 8])) if rotated else 1,
        mirrored=bool(random.random() < _MIRRORED_SHARE),
        upscaled=max(1.0, scale),
    )


def _weighted(random: np.random.Generator, weights: list[int]) -> int:
    return int(random.choice(len(weights), p=np.array(weights) / sum(weights)))


def _pick_kind(random: np.random.Generator) -> tuple[str, float]:
    kind, largest, _ = _KINDS[_weighted(random, [weight for *_, weight in _KINDS])]
    return kind, largest


def _pick_source(random: np.random.Generator, width: int, height: int) -> tuple[Photograph, float]:
    """A source for a picture of that size, and by how much its largest fitting crop must be scaled."""
    scales = [(max(width / photo.width, height / photo.height), photo) for photo in catalogue()]
    enough = [(scale, photo) for scale, photo in scales if scale <= 1]
    choice = enough or sorted(scales, key=lambda pair: pair[0])[:_SPARE_SOURCES]
    scale, photo = choice[int(random.integers(len(choice)))]
    return photo, scale


def _pick_crop(
    random: np.random.Generator, source: Photograph, aspect: float, scale: float
) -> tuple[float, float, float, float]:
    """A crop with the aspect: between the whole source and, without enlarging, three quarters of its edge."""
    share = random.uniform(min(1.0, max(0.75, scale)), 1.0)
    width = share * min(source.width, source.height * aspect)
    height = width / aspect
    left = random.uniform(0, source.width - width)
    top = random.uniform(0, source.height - height)
    return left, top, left + width, top + height


def make(picture: Picture, sources: Path) -> bytes:
    """The picture's file: the same bytes each time with the same Pillow."""
    with Image.open(sources / picture.source.file) as photograph:
        pixels = photograph.convert("RGB")
    size = (picture.width, picture.height)
    pixels = pixels.resize(size, Image.Resampling.LANCZOS, box=picture.crop, reducing_gap=3.0)
    if picture.mirrored:
        pixels = pixels.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels.info.clear()
    buffer = io.BytesIO()
    if picture.kind == "png":
        pixels.save(buffer, "PNG", compress_level=4)
    elif picture.kind == "webp":
        pixels.save(buffer, "WEBP", quality=picture.quality, method=1)
    else:
        progressive = picture.kind == "progressive"
        exif = _exif(picture.orientation)
        pixels.save(buffer, "JPEG", quality=picture.quality, progressive=progressive, exif=exif)
    return buffer.getvalue()


@cache
def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
