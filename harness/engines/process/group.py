"""A process group: started, signalled, read while it lives, and reaped."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from harness.measure.usage import Usage, added


class ProcessGroup:
    """One life of what stands for a container; `earlier` is what those before it have used.

    Any thread may call any method but `reap`, which is for one alone.
    """

    def __init__(self, pid: int, earlier: Usage | None) -> None:
        self.ended = False
        self._pid = pid
        self._earlier = earlier
        self._last: Usage | None = None

    @classmethod
    def start(
        cls, words: list[str], environment: Mapping[str, str], out_fd: int, earlier: Usage | None
    ) -> ProcessGroup:
        """With both outputs to `out_fd`, and no input. OSError if the program does not start."""
        pid = os.posix_spawnp(
            words[0],
            words,
            environment,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out_fd, 1),
                (os.POSIX_SPAWN_DUP2, out_fd, 2),
            ],
        )
        return cls(pid, earlier)

    def signal(self, number: signal.Signals) -> None:
        """To all of it; nothing happens if it has ended."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, number)

    def usage(self) -> Usage | None:
        """Summed over the group while it lives, then what the kernel says of it at its end; and what was before."""
        if not self.ended:
            self._last = self._read() or self._last
        if self._last is None or self._earlier is None:
            return self._last or self._earlier
        return added(self._earlier, self._last)

    def reap(self) -> int:
        """Wait for its end, which blocks: its exit code, 128 + n where signal n ended it.

        wait4 gives the exact CPU time of the process and its waited-for children. Its ru_maxrss is of no use: Linux
        carries over the peak of the program that made the process, ours.
        """
        _, status, resources = os.wait4(self._pid, 0)
        self.ended = True
        self._last = Usage(
            cpu_s=resources.ru_utime + resources.ru_stime,
            cpu_user_s=resources.ru_utime,
            cpu_system_s=resources.ru_stime,
            memory_peak_bytes=self._last.memory_peak_bytes if self._last else None,
        )
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _read(self) -> Usage | None:
        try:
            leader = psutil.Process(self._pid)
            members = [leader, *leader.children(recursive=True)]
            times = [member.cpu_times() for member in members]
            memory_bytes = sum(member.memory_info().rss for member in members)
        except psutil.Error:
            return None
        seen = self._last.memory_peak_bytes or 0 if self._last else 0
        user_s, system_s = sum(t.user for t in times), sum(t.system for t in times)
        return Usage(
            cpu_s=user_s + system_s,
            cpu_user_s=user_s,
            cpu_system_s=system_s,
            memory_bytes=memory_bytes,
            memory_peak_bytes=max(memory_bytes, seen, _high_water_bytes(self._pid)),
        )


def _high_water_bytes(pid: int) -> int:
    """Peak resident memory of a process since its exec; 0 where the system does not tell (it is not Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
