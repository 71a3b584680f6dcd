"""Small pictures for tests, made on the spot."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image


@lru_cache(maxsize=16)
def pixels(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """A smooth picture in which each corner differs from the others: red to the right, green downwards."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    layers = np.stack([across, down, np.full_like(across, 64)], axis=-1).round().astype(np.uint8)
    return Image.fromarray(layers, "RGB").convert(mode)


def encode(image: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The picture in a file, loaded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def psnr_db(one: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio of two RGB pictures of one size; infinite when they are equal."""
    difference = np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
