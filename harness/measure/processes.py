"""What only the processes of a container can tell: its network traffic, and its disk traffic if its group does not.

Source: proc(5), /proc/PID/net/dev and /proc/PID/io. A process's `write_bytes` counts when it dirties a page, so it
holds buffered writes that the disk has yet to see; what children transferred is added when they are waited for.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.measure.counter_files import open_or_none, read_or_none, value

Pair = tuple[int | None, int | None]
NOTHING: Pair = (None, None)


class Processes:
    """The processes of one container, of which `pid` is the first; `group` is a folder with its cgroup.procs.

    `network_before` is what went over its network before it came: one that was made ahead has a past.
    """

    def __init__(self, pid: int, group: Path | None, proc: Path, network_before: Pair = NOTHING) -> None:
        self._proc = proc
        self._network_before = network_before
        # Opened at once: later the number may be some other process's. It keeps the network namespace alive.
        self._network = open_or_none(proc / str(pid) / "net/dev")
        self._network_known: Pair = NOTHING
        self._members = group / "cgroup.procs" if group is not None else None
        self._io: dict[bytes, int] = {}

    def network_bytes(self) -> Pair:
        """Bytes received and sent over every interface but loopback; None, None if unreadable.

        An engine takes the interfaces away as a container ends: then what they last had is repeated.
        """
        text = read_or_none(self._network)
        if text is None:
            return NOTHING
        found = _over_interfaces(text)
        if found != NOTHING or self._network_known == NOTHING:
            received, sent = (
                (now or 0) - (before or 0) for now, before in zip(found, self._network_before, strict=True)
            )
            self._network_known = received, sent
        return self._network_known

    def io_bytes(self) -> Pair:
        """Bytes read from and written to block devices; None, None if unreadable.

        Of the processes that `follow_members` last found, and of those that they have waited for.
        """
        texts = [text for d in self._io.values() if (text := read_or_none(d)) is not None]
        if not texts:
            return NOTHING
        return (
            sum(value(text, b"read_bytes:") or 0 for text in texts),
            sum(value(text, b"write_bytes:") or 0 for text in texts),
        )

    def follow_members(self) -> None:
        """Find out which processes there are now.

        The file is opened anew: version 1 repeats to an open one the list of up to a second ago, or forever to
        whoever reads it twice a second (kernel/cgroup/cgroup-v1.c, cgroup_pidlist_start).
        """
        listing = open_or_none(self._members) if self._members is not None else None
        members = set((read_or_none(listing) or b"").split())
        if listing is not None:
            os.close(listing)
        if members == self._io.keys():
            return
        for pid in self._io.keys() - members:
            os.close(self._io.pop(pid))
        for pid in members - self._io.keys():
            if (descriptor := open_or_none(self._proc / pid.decode() / "io")) is not None:
                self._io[pid] = descriptor

    def close(self) -> None:
        """Close the files; whatever is asked for afterwards is None."""
        for descriptor in (self._network, *self._io.values()):
            if descriptor is not None:
                os.close(descriptor)
        self._network = None
        self._io.clear()


def network_bytes(pid: int, proc: Path = Path("/proc")) -> Pair:
    """Bytes received and sent so far in the network namespace of a process; None, None if unreadable."""
    try:
        return _over_interfaces((proc / str(pid) / "net/dev").read_bytes())
    except OSError:
        return NOTHING


def _over_interfaces(text: bytes) -> Pair:
    """Bytes received and sent, of net/dev, over every interface but loopback; None, None without any."""
    others = [line for line in text.splitlines()[2:] if not line.lstrip().startswith(b"lo:")]
    if not others:
        return NOTHING
    words = [line.partition(b":")[2].split() for line in others]
    return sum(int(w[0]) for w in words), sum(int(w[8]) for w in words)
