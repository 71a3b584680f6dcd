"""The corpus: a day's access logs as tar.gz, 24 files of 25 MiB each, which is more than a function's usual /tmp."""

import gzip
import io
import random
import tarfile
import zlib
from collections.abc import Iterator

from workloads.kit.corpus import Item, Recipe

MIB = 2**20
HOURS, HOUR_BYTES = 24, 25 * MIB
UNPACKED_BYTES = HOURS * HOUR_BYTES


def make(items: int, seed: int) -> Iterator[Item]:
    """One day an item; an hour's log is a stretch of lines over and over, so that a bundle is small to keep."""
    for index in range(items):
        choice = random.Random(f"{seed}/{index}")  # noqa: S311
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as bundle,
        ):
            for hour in range(HOURS):
                about = tarfile.TarInfo(f"access/{hour:02}.log")
                about.size = HOUR_BYTES
                bundle.addfile(about, io.BytesIO(_log(choice, hour)))
        yield Item(f"day-{index:04}.tar.gz", packed.getvalue(), {"source": "made up", "licence": "CC0-1.0"})


def _log(choice: random.Random, hour: int) -> bytes:
    lines = [
        f"10.0.{choice.randrange(256)}.{choice.randrange(256)} - {hour:02}:{n % 3600 // 60:02}:{n % 60:02} "
        f'"GET /photos/{choice.randrange(10_000):04}.jpg" 200 {choice.randrange(10_000_000)}\n'
        for n in range(100)
    ]
    stretch = "".join(lines).encode()
    return (stretch * (HOUR_BYTES // len(stretch) + 1))[:HOUR_BYTES]


RECIPE = Recipe(make, "bundles", (".gz", ".tgz"), {"recipe": 1, "zlib": zlib.ZLIB_RUNTIME_VERSION})
