"""Even shares for the worker processes of one listening socket.

The kernel hands connections to whichever process asks first, and one event loop takes all that wait at once: of twelve
kept connections two workers were seen to have twelve and none. So a worker leaves a connection to one with less to do,
and where requests wait while another worker is idle, it closes connections, which come back and find the idle one.
"""

from __future__ import annotations

import mmap
import socket
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# How long a worker leaves a connection to another, which may hang, and between two looks.
LEAVE_S = 0.005
LOOK_S = 0.0002
_ABSENT = 2**64 - 1
_REQUEST = 2**32


class Load:
    """Requests in hand and open connections of each worker, in memory that they share; requests count first.

    Every worker writes its own place alone, and what it reads of others may be a moment old.
    """

    def __init__(self, workers: int = 1, threads: int = 1) -> None:
        """Made before the fork, with places to spare for workers that take over from others.

        Where no process forks, the only one is in place 0.
        """
        self._shared = memoryview(mmap.mmap(-1, 8 * 2 * workers)).cast("Q")
        for place in range(2 * workers):
            self._shared[place] = _ABSENT
        self._threads = threads
        self.enter(0)

    def place(self) -> int:
        """A free place; for the process that forks, which takes none itself."""
        return next(place for place, load in enumerate(self._shared) if load == _ABSENT)

    def enter(self, place: int) -> None:
        """Begin to count in a place."""
        self._own = place
        self._shared[place] = 0

    def leave(self, place: int) -> None:
        """Free the place of a worker that has ended."""
        self._shared[place] = _ABSENT

    def request(self, change: int) -> None:
        """A request has begun, or ended."""
        self._shared[self._own] += change * _REQUEST

    def connection(self, change: int) -> None:
        """A connection was accepted, or lost."""
        self._shared[self._own] += change

    @property
    def least(self) -> bool:
        """No other worker has less to do."""
        return self._shared[self._own] <= min(self._shared)

    @property
    def misplaced(self) -> bool:
        """Requests wait here while another worker has a thread to spare."""
        own, least = self._shared[self._own] // _REQUEST, min(self._shared) // _REQUEST
        return own > self._threads > least


class FairListener(socket.socket):
    """A listening socket that leaves connections to workers with less to do."""

    def __init__(self, load: Load, fd: int) -> None:
        super().__init__(fileno=fd)
        self._load = load
        self._left_since_s: float | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; BlockingIOError if there is none for this worker at this moment."""
        now_s = time.monotonic()
        if not self._load.least:
            self._left_since_s = self._left_since_s or now_s
            if now_s - self._left_since_s < LEAVE_S:
                time.sleep(LOOK_S)
                raise BlockingIOError
        self._left_since_s = None
        accepted = super().accept()
        self._load.connection(1)
        return accepted


def counted(load: Load) -> type[H11Protocol]:
    """uvicorn's protocol, which tells when a connection ends."""

    class Counted(H11Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            load.connection(-1)

    return Counted
