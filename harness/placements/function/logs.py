"""The log stream of one environment: its output, between the START, END and REPORT lines of each invocation.

Output takes its time through the container engine, so an invocation's last lines may arrive after its answer. Its END
is therefore written once the output has been still for a moment, or when the next invocation begins.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path

from harness.rows import Outcome

# AWS Lambda API Reference, "Invoke": X-Amz-Log-Result has the last 4 KB of the execution log.
TAIL_BYTES = 4096
# What is kept of one invocation's own output: a handler that prints 100 MB must not fill the disk of the run.
KEPT_BYTES = 1024 * 1024
STILL_S = 0.004
PATIENCE_S = 0.1
MS_PER_S = 1000
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the REPORT line of one invocation tells; `init_s` is None where it was warm."""

    request_id: str
    duration_s: float
    billed_s: float
    memory_mb: int
    memory_peak_bytes: int | None
    init_s: float | None = None
    outcome: Outcome = Outcome.OK
    error_type: str | None = None

    def line(self) -> str:
        """As Lambda writes it, tabs and all."""
        used_mb = min(self.memory_mb, round((self.memory_peak_bytes or 0) / MIB))
        parts = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration_s * MS_PER_S:.2f} ms",
            f"Billed Duration: {self.billed_s * MS_PER_S:.0f} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {used_mb} MB",
        ]
        if self.init_s is not None:
            parts.append(f"Init Duration: {self.init_s * MS_PER_S:.2f} ms")
        if self.outcome is Outcome.TIMEOUT:
            parts.append("Status: timeout")
        elif self.error_type is not None:
            parts += ["Status: error", f"Error Type: {self.error_type}"]
        return "\t".join(parts) + "\t\n"


class InvocationLog:
    """The part of a log stream that belongs to one invocation."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.written_bytes = 0
        self.end: bytes | None = None
        self._tail = bytearray()
        self._complete = asyncio.Event()

    def add(self, text: bytes) -> None:
        """Remember the end of what is written."""
        self._tail += text[-TAIL_BYTES:]
        del self._tail[:-TAIL_BYTES]

    def complete(self) -> None:
        """Nothing more will be added."""
        self._complete.set()

    async def tail(self) -> bytes:
        """The last 4 KB, from START to REPORT; waits for output that is on its way."""
        await self._complete.wait()
        return bytes(self._tail)


class LogStream:
    """Takes a container's output from any thread; everything else is called in the event loop."""

    def __init__(self, path: Path | None) -> None:
        """Written to `path`, or kept nowhere but in each invocation's tail."""
        self._file = path.open("ab") if path else None
        self._lock = threading.Lock()
        self._current: InvocationLog | None = None
        self._between = bytearray()
        self._arrivals = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Output of the container."""
        with self._lock:
            self._arrivals += 1
            current = self._current
            if current is None:
                self._between += data[-TAIL_BYTES:]
                del self._between[:-TAIL_BYTES]
                self._store(data[:KEPT_BYTES])
                return
            current.add(data)
            room = KEPT_BYTES - current.written_bytes
            current.written_bytes += len(data)
            if room > 0:
                self._store(data[:room])

    def between(self) -> str:
        """The last that was written outside invocations: what a failed INIT has to say for itself."""
        with self._lock:
            return self._between.decode(errors="replace")

    def begin(self, request_id: str) -> InvocationLog:
        """START; all output is this invocation's from now on."""
        self._finish()
        log = InvocationLog(request_id)
        with self._lock:
            self._current = log
            self._between.clear()
            self._put(log, f"START RequestId: {request_id} Version: $LATEST\n")
        return log

    def note(self, text: str) -> None:
        """A line of Lambda's own, where the stream now stands."""
        with self._lock:
            if self._current is not None:
                self._put(self._current, text)
            else:
                self._store(text.encode())

    def end(self, report: Report) -> None:
        """END and REPORT, once the output is still."""
        log = self._current
        if log is None:
            return
        log.end = f"END RequestId: {report.request_id}\n{report.line()}".encode()
        loop = asyncio.get_running_loop()
        self._await_stillness(loop, loop.time() + PATIENCE_S, -1)

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._finish()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _await_stillness(self, loop: asyncio.AbstractEventLoop, until_s: float, seen: int) -> None:
        if seen == self._arrivals or loop.time() >= until_s:
            self._finish()
        else:
            self._timer = loop.call_later(STILL_S, self._await_stillness, loop, until_s, self._arrivals)

    def _finish(self) -> None:
        """End the current invocation's part, if there is one that has been answered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            log, self._current = self._current, None
            if log is None:
                return
            left_out_bytes = log.written_bytes - KEPT_BYTES
            if left_out_bytes > 0:
                self._store(f"\n[placement-harness left out {left_out_bytes} bytes of output]\n".encode())
            if log.end is not None:
                self._put(log, log.end.decode())
        log.complete()

    def _put(self, log: InvocationLog, text: str) -> None:
        log.add(text.encode())
        self._store(text.encode())

    def _store(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
