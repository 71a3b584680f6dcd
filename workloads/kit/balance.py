"""Even shares for the worker processes of one listening socket.

The kernel hands connections to whichever process asks first, and one event loop takes all that wait at once: of twelve
kept connections, two workers were seen to have twelve and none. So where requests wait while another worker is idle,
a worker closes connections with its answers; the client's next one is taken by the idle worker, which asks first.
"""

from __future__ import annotations

import mmap

_ABSENT = 2**64 - 1


class Load:
    """Requests in hand at each worker, in memory that they share.

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
        self._shared[self._own] += change

    @property
    def misplaced(self) -> bool:
        """Requests wait here while another worker has a thread to spare."""
        return self._shared[self._own] > self._threads > min(self._shared)
