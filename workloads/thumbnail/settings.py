"""What a thumbnail may look like: the workload's settings, checked.

Example: {"sizes": [256, 1024], "format": "webp", "quality": 80, "alpha": "keep", "max_megapixels": 100}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from workloads.kit.errors import BadSettings

MAX_SIZE_PX = 4096
# Pillow itself refuses some formats from 179 megapixels on.
MAX_MEGAPIXELS = 170


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes are the longest edge in pixels; alpha is flattened on white or, in WebP only, kept."""

    sizes: tuple[int, ...] = (256,)
    format: str = "jpeg"
    quality: int = 80
    alpha: str = "flatten"
    max_megapixels: float = 100

    def __post_init__(self) -> None:
        sizes_right = bool(self.sizes) and all(_whole(size, 1, MAX_SIZE_PX) for size in self.sizes)
        _check("sizes", self.sizes, sizes_right, f"one or more whole numbers of 1 to {MAX_SIZE_PX}")
        _check("sizes", self.sizes, len(set(self.sizes)) == len(self.sizes), "without repetition")
        _check("format", self.format, self.format in ("jpeg", "webp"), "jpeg or webp")
        _check("quality", self.quality, _whole(self.quality, 1, 100), "a whole number of 1 to 100")
        _check("alpha", self.alpha, self.alpha in ("flatten", "keep"), "flatten or keep")
        _check(
            "alpha",
            self.alpha,
            (self.alpha, self.format) != ("keep", "jpeg"),
            "flatten, as JPEG has no alpha",
        )
        limit = self.max_megapixels
        limit_right = (
            isinstance(limit, int | float) and not isinstance(limit, bool) and 0 < limit <= MAX_MEGAPIXELS
        )
        _check("max_megapixels", limit, limit_right, f"a number above 0, at most {MAX_MEGAPIXELS}")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from plain values; what is absent has its default. Raises BadSettings."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise BadSettings(f"unknown settings {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        sizes = values.get("sizes", cls().sizes)
        _check("sizes", sizes, isinstance(sizes, list | tuple), "a list of whole numbers")
        return cls(**{**values, "sizes": tuple(sizes)})


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check(name: str, value: object, right: bool, allowed: str) -> None:
    if not right:
        raise BadSettings(f"setting {name} is {value!r}; it must be {allowed}")
