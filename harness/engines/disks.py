"""Folders of a limited size: a sparse file with a file system of its own, mounted for one container.

Lambda's /tmp is disk and no memory, so a tmpfs, which counts against the memory limit, would not do; and most storage
drivers of Docker limit no folder. Mounting takes root, and a daemon on this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from harness.engines.base import EngineError

ROOT = Path("/var/lib/placement-harness/disks")
TOOLS = ("mkfs.ext4", "mount", "umount")
MIB = 2**20
PATIENCE_S = 20


def available() -> bool:
    """Whether this user can make them here."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in TOOLS)


def file_bytes(usable_bytes: int) -> int:
    """How large the file has to be.

    ext4 keeps 2 % or 16 MiB back, and has 256 bytes for an inode each 16 KiB, and maps of what is in use.
    """
    return (
        usable_bytes + min(usable_bytes // 50, 16 * MIB) + usable_bytes // 64 + usable_bytes // 4096 + 2 * MIB
    )


class Disks:
    """The disks of one run."""

    def __init__(self, run: str, root: Path = ROOT) -> None:
        self._folder = root / run

    def path(self, name: str) -> Path:
        """Where the disk `name` is mounted, or will be."""
        return self._folder / name

    def make(self, name: str, usable_bytes: int, owner: tuple[int, int]) -> None:
        """Make and mount a disk on which `owner` (user, group) can write `usable_bytes`. EngineError if it fails."""
        folder = self.path(name)
        file = folder.with_suffix(".disk")
        try:
            folder.mkdir(parents=True)
            with file.open("wb") as sparse:
                sparse.truncate(file_bytes(usable_bytes))
        except OSError as error:
            raise EngineError(f"a disk of {usable_bytes} bytes: {error}") from error
        made_for = f"lazy_itable_init=1,nodiscard,root_owner={owner[0]}:{owner[1]}"
        _call(
            "mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", made_for, str(file)
        )
        _call("mount", "-o", "loop,nosuid,nodev", str(file), str(folder))
        (folder / "lost+found").rmdir()
        folder.chmod(0o1777)

    def remove(self, name: str) -> None:
        """Unmount a disk and remove it; nothing happens if there is none."""
        folder = self.path(name)
        if folder.is_mount():
            _call("umount", str(folder))
        folder.with_suffix(".disk").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()

    def close(self) -> None:
        """Remove whatever is left."""
        for file in self._folder.glob("*.disk") if self._folder.exists() else ():
            self.remove(file.stem)
        with contextlib.suppress(OSError):  # not there, or another run's by the same name
            self._folder.rmdir()


def leftovers(root: Path = ROOT) -> list[str]:
    """Runs that have disks here."""
    return sorted(folder.name for folder in root.iterdir()) if root.is_dir() else []


def _call(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.CalledProcessError as error:
        raise EngineError(f"{' '.join(command)}: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{' '.join(command)}: {error}") from error
