"""The archive workload: a gzip file is checked, unpacked and packed again as xz, which takes a third less room."""

import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Mapping
from typing import Any

from workloads.archive.settings import Settings
from workloads.kit.errors import ItemError
from workloads.kit.step import Output, Work


class BadArchive(ItemError):
    """The item is no gzip file, is damaged, or holds nothing or too much."""


def archive(data: bytes, settings: Mapping[str, Any]) -> Work:
    """Pack one file again; the row tells the sizes in bytes, the lines, and the digest of what was packed."""
    wanted = Settings.parse(settings)
    most_bytes = wanted.max_unpacked_mb * 1_000_000
    try:
        with gzip.open(io.BytesIO(data)) as file:
            content = file.read(most_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadArchive(f"not gzip, or damaged: {error}") from None
    if not 0 < len(content) <= most_bytes:
        raise BadArchive(f"it must hold 1 to {most_bytes} bytes, and holds {len(content)} or more")
    packed = lzma.compress(content, preset=wanted.preset)
    row = {
        "source_bytes": len(data),
        "content_bytes": len(content),
        "packed_bytes": len(packed),
        "lines": content.count(b"\n"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Work((Output("content.xz", packed, "application/x-xz"),), row)
