"""What a thumbnail may look like: the workload's settings, checked.

Example: {"sizes": [256, 1024], "format": "webp", "quality": 80, "alpha": "keep", "max_megapixels": 100}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workloads.kit import step
from workloads.kit.step import is_whole, require, setting, whole

MAX_SIZE_PX = 4096
# Pillow itself refuses some formats from 179 megapixels on.
MAX_MEGAPIXELS = 170


def _sizes_right(sizes: Any) -> bool:
    return isinstance(sizes, tuple) and bool(sizes) and all(is_whole(size, 1, MAX_SIZE_PX) for size in sizes)


def _limit_right(limit: Any) -> bool:
    return isinstance(limit, int | float) and not isinstance(limit, bool) and 0 < limit <= MAX_MEGAPIXELS


@dataclass(frozen=True, slots=True)
class Settings(step.Settings):
    """Sizes are the longest edge in pixels; alpha is flattened on white or, in WebP only, kept."""

    sizes: tuple[int, ...] = setting(
        (256,), _sizes_right, f"a list of one or more whole numbers of 1 to {MAX_SIZE_PX}"
    )
    format: str = setting("jpeg", lambda value: value in ("jpeg", "webp"), "jpeg or webp")
    quality: int = whole(80, 1, 100)
    alpha: str = setting("flatten", lambda value: value in ("flatten", "keep"), "flatten or keep")
    max_megapixels: float = setting(100, _limit_right, f"a number above 0, at most {MAX_MEGAPIXELS}")

    def __post_init__(self) -> None:
        step.Settings.__post_init__(self)
        require("sizes", self.sizes, len(set(self.sizes)) == len(self.sizes), "without repetition")
        jpeg_keeps = (self.alpha, self.format) == ("keep", "jpeg")
        require("alpha", self.alpha, not jpeg_keeps, "flatten, as JPEG has no alpha")
