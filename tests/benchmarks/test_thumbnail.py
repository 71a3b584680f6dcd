"""Thumbnails: the workload against Pillow without tricks, libvips, and a bare scaled decode.

    pytest tests/benchmarks/test_thumbnail.py --benchmark-columns=min,median,iqr --benchmark-group-by=group

Bytes in, JPEG bytes out, 12-megapixel photographs, one core. Each picture and size is a group, so that pytest-benchmark
prints the ratios to the fastest; `psnr_db` in the extra information is against a full decode with Lanczos. A bare
scaled decode has another size than was asked for, and no such figure: it is the floor, not a rival.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from functools import cache

# libvips reads it once, when it is loaded.
os.environ.setdefault("VIPS_CONCURRENCY", "1")

import pytest
import pyvips
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from tests.workloads.pictures import decoded, encode, psnr_db
from workloads.thumbnail import photographs
from workloads.thumbnail.decode import decode
from workloads.thumbnail.thumbnail import fit, make_one, thumbnail

LANCZOS = Image.Resampling.LANCZOS
QUALITY = 80
SIZES = (256, 1024)
# Soft, sharp, and finely detailed.
TITLES = ("Infinite-Sea", "Kleiber", "picosdeeuropa")
WIDTH, HEIGHT = 4000, 3000

Make = Callable[[bytes, int], bytes]


@cache
def photograph(title: str) -> bytes:
    """The middle of a source as a 4000 x 3000 JPEG of quality 90, as phones store it."""
    folder = photographs.fetch()
    (source,) = (entry for entry in photographs.catalogue() if entry.title == title)
    crop_height = min(source.height, source.width * HEIGHT / WIDTH)
    left = (source.width - crop_height * WIDTH / HEIGHT) / 2
    top = (source.height - crop_height) / 2
    with Image.open(folder / source.file) as image:
        box = (left, top, source.width - left, source.height - top)
        return encode(image.convert("RGB").resize((WIDTH, HEIGHT), LANCZOS, box=box), quality=90)


@cache
def reference(title: str, size_px: int) -> Image.Image:
    """What a full decode with Lanczos gives."""
    return decoded(photograph(title)).resize(fit(WIDTH, HEIGHT, size_px), LANCZOS)


def workload(data: bytes, size_px: int) -> bytes:
    return thumbnail(data, {"sizes": [size_px], "quality": QUALITY}).outputs[0].data


def naive_pillow(data: bytes, size_px: int) -> bytes:
    return encode(decoded(data).resize(fit(WIDTH, HEIGHT, size_px), LANCZOS), quality=QUALITY)


def libvips(data: bytes, size_px: int) -> bytes:
    small: bytes = pyvips.Image.thumbnail_buffer(data, size_px, size="down").jpegsave_buffer(Q=QUALITY)
    return small


def bare_scaled_decode(data: bytes, size_px: int) -> bytes:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", fit(WIDTH, HEIGHT, size_px))
    return encode(image, quality=QUALITY)


@cache
def psnr_of(make: Make, title: str, size_px: int) -> float | None:
    """How near a way of reducing comes to the reference, before it is compressed again."""
    data = photograph(title)
    if make is workload:
        return psnr_db(make_one(decode(data, size_px, 100), size_px)[0], reference(title, size_px))
    if make is libvips:
        small = pyvips.Image.thumbnail_buffer(data, size_px, size="down")
        return psnr_db(Image.fromarray(small.numpy()), reference(title, size_px))
    return None


@pytest.fixture
def one_core() -> Iterator[None]:
    """Pin this thread to one core; no operation cache in libvips, which would answer from memory."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    pyvips.cache_set_max(0)
    yield
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("make", [workload, libvips, naive_pillow, bare_scaled_decode])
@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("title", TITLES)
def test_thumbnail(benchmark: BenchmarkFixture, title: str, size_px: int, make: Make) -> None:
    benchmark.group = f"{title}, {size_px} px"
    data = photograph(title)
    benchmark.extra_info["bytes_in"] = len(data)
    benchmark.extra_info["psnr_db"] = psnr_of(make, title, size_px)
    assert benchmark(make, data, size_px).startswith(b"\xff\xd8")


@pytest.mark.parametrize("size_px", [96, 256, 320, 1024])
@pytest.mark.parametrize("title", TITLES)
def test_the_workload_is_near_a_full_reduction(title: str, size_px: int) -> None:
    found_db = psnr_of(workload, title, size_px)
    assert found_db is not None
    assert found_db >= 45
