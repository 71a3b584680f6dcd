"""The corpus: bundles of gzip-compressed JSON, the service descriptions that botocore (Apache-2.0) brings."""

import random
from collections.abc import Iterator
from pathlib import Path

import botocore

from workloads.kit.corpus import Item, Recipe


def make(items: int, seed: int) -> Iterator[Item]:
    """Join 10 to 40 descriptions an item: gzip files may be joined as they are."""
    folder = Path(botocore.__file__).parent / "data"
    files = sorted(folder.rglob("*.json.gz"))
    for index in range(items):
        choice = random.Random(f"{seed}/{index}")  # noqa: S311
        chosen = choice.sample(files, choice.randint(10, 40))
        names = [file.relative_to(folder).as_posix() for file in chosen]
        about = {"author": "Amazon Web Services", "licence": "Apache-2.0", "sources": names}
        yield Item(f"{index:04}.json.gz", b"".join(file.read_bytes() for file in chosen), about)


RECIPE = Recipe(make, "gzip files", (".gz",), {"recipe": 1, "botocore": botocore.__version__})
