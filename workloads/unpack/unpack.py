"""The unpack workload: a tar.gz bundle is unpacked onto the temporary disk, and its files are listed with digests.

It is what a job does that has to have a whole delivery on disk before it can work: it takes as much of /tmp as the
bundle holds, and hardly any memory.
"""

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.kit.errors import ItemError
from workloads.kit.step import Output, Work

CHUNK_BYTES = 2**20


class BadBundle(ItemError):
    """The item is no tar.gz file, or is damaged."""


class DiskFull(ItemError):
    """The temporary disk does not hold what is in the bundle."""


def unpack(data: bytes, settings: Mapping[str, Any]) -> Work:
    """List the regular files of one bundle by name; the row tells how many there are, and their bytes."""
    with tempfile.TemporaryDirectory(prefix="unpack-") as folder:
        try:
            files = _extract(data, Path(folder))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull(str(error)) from None
            if isinstance(error, gzip.BadGzipFile):
                raise BadBundle(f"not gzip, or damaged: {error}") from None
            raise
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise BadBundle(f"no tar file, or damaged: {error}") from None
        lines = [f"{_digest(path)}  {path.stat().st_size}  {name}" for name, path in sorted(files.items())]
        row = {"files": len(files), "bytes": sum(path.stat().st_size for path in files.values())}
    return Work((Output("inventory.txt", "\n".join([*lines, ""]).encode(), "text/plain"),), row)


def _extract(data: bytes, folder: Path) -> dict[str, Path]:
    """Write each regular file under a number, so that no name in a bundle leads anywhere else."""
    files: dict[str, Path] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as bundle:
        for member in bundle:
            source = bundle.extractfile(member) if member.isfile() else None
            if source is not None:
                files[member.name] = folder / str(len(files))
                with source, files[member.name].open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK_BYTES)
    return files


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
