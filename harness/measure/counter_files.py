"""The small files in which the kernel keeps its counters: opened once, and read again at little cost.

A read of an open one takes about 1 us in the kernel, opening it again some 10 us.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

READ_BYTES = 16_384
BLOCK_DEVICES = Path("/sys/dev/block")

# A controller (the one of cgroup v2 has no name) and a file in its folder.
Name = tuple[str, str]


class CounterFiles:
    """Files of one control group, open from the start until `close`."""

    def __init__(self, folders: Mapping[str, Path], names: Iterable[Name]) -> None:
        self._open: dict[Name, int] = {}
        for name in names:
            self.add(folders, name)

    def add(self, folders: Mapping[str, Path], name: Name) -> bool:
        """Open one more file; False where there is none such."""
        folder = folders.get(name[0])
        if folder is not None and name not in self._open:
            descriptor = open_or_none(folder / name[1])
            if descriptor is not None:
                self._open[name] = descriptor
        return name in self._open

    def text(self, name: Name) -> bytes | None:
        """Contents now; None when the kernel has no such file or the group has gone."""
        return read_or_none(self._open.get(name))

    def number(self, name: Name) -> int | None:
        """The file's one number; None also for `max`."""
        text = self.text(name)
        try:
            return int(text) if text else None
        except ValueError:
            return None

    def close(self) -> None:
        """Close the files; whatever is asked for afterwards is None."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


def open_or_none(path: Path) -> int | None:
    """A descriptor for reading; None where there is no such file, or it may not be read."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def read_or_none(descriptor: int | None) -> bytes | None:
    """The whole file from its beginning; None once what it tells of has gone."""
    if descriptor is None:
        return None
    try:
        return os.pread(descriptor, READ_BYTES, 0)
    except OSError:
        return None


def value(text: bytes | None, name: bytes) -> int | None:
    """The number on the line `name number`. A search: memory.stat has 60 lines, of which two are wanted."""
    if text is None:
        return None
    if text.startswith(name + b" "):
        start = len(name) + 1
    else:
        at = text.find(b"\n" + name + b" ")
        if at < 0:
            return None
        start = at + len(name) + 2
    return int(text[start:].split(b"\n", 1)[0])


def scaled(count: int | None, per_second: float) -> float | None:
    """Seconds."""
    return None if count is None else count / per_second


@cache
def is_stacked(device: bytes) -> bool:
    """Whether `major:minor` lies on other disks (LVM, dm-crypt, RAID), where each transfer is counted once more."""
    try:
        return any((BLOCK_DEVICES / device.decode() / "slaves").iterdir())
    except OSError:
        return False
