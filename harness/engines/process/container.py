"""What stands for a container where there is none: a process group with a folder of its own, and its memory watched."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Exit
from harness.engines.process.group import ProcessGroup
from harness.measure.usage import Usage
from harness.scenario import ROOT

WATCH_PERIOD_S = 0.05
PIPE_BYTES = 65_536


class ProcessContainer:
    """One process group that stands for a container."""

    def __init__(self, spec: ContainerSpec) -> None:
        self._spec = spec
        self._folder = Path(tempfile.mkdtemp(prefix="placement-harness-"))
        self._port = 0
        self._group: ProcessGroup | None = None
        self._exit: asyncio.Future[Exit] | None = None
        self._out_of_memory = False

    @property
    def name(self) -> str:
        """The name that rows carry."""
        return self._spec.name

    @property
    def address(self) -> tuple[str, int]:
        """Loopback and the free port that was found."""
        if not self._port:
            raise EngineError(f"{self.name}: has no address: not started, or no port")
        return "127.0.0.1", self._port

    async def start(self) -> None:
        """Start the process group and watch its memory."""
        if self._spec.port is not None:
            self._port = _free_port()
        words = [word.format(host="127.0.0.1", port=self._port) for word in self._spec.command]
        program = sys.executable if words[0] == "python3" else words[0]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self._folder),
            **self._spec.environment,
        }
        out_fd = self._output_descriptor()
        try:
            group = ProcessGroup.start([program, *words[1:]], environment, out_fd, self.usage())
        except OSError as error:
            raise EngineError(f"{self.name}: {program} does not start: {error}") from error
        finally:
            os.close(out_fd)
        self._group = group
        self._out_of_memory = False
        loop = asyncio.get_running_loop()
        self._exit = loop.create_future()
        # A thread of its own: those that the loop shares are few, and each would wait for as long as its process lives.
        threading.Thread(target=self._reap, args=(group, loop, self._exit), daemon=True).start()
        self._watch = asyncio.create_task(self._watch_memory(group))

    def _output_descriptor(self) -> int:
        """Where it is to write: a file, or a pipe that is pumped to whoever takes the output."""
        if self._spec.output is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            return os.open(self._folder / "output", flags, 0o600)
        read_fd, write_fd = os.pipe()
        pump = threading.Thread(target=_pump, args=(read_fd, self._spec.output), daemon=True)
        pump.start()
        return write_fd

    async def wait(self) -> Exit:
        """How it ended."""
        if self._exit is None:
            raise EngineError(f"{self.name}: not started")
        return await asyncio.shield(self._exit)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to the group, then SIGKILL."""
        if self._exit is None:
            return
        if grace_s > 0:
            await self.thaw()
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace_s)
        self._signal(signal.SIGKILL)
        await self.wait()

    @property
    def peer(self) -> str | None:
        """The host's, which all share."""
        return None

    async def freeze(self) -> bool:
        """Stop the process group."""
        self._signal(signal.SIGSTOP)
        return self._group is not None and not self._group.ended

    async def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    async def limit_cpu(self, vcpu: float) -> bool:
        """There is no limit to change."""
        return False

    async def output(self) -> str:
        """Both output streams."""
        path = self._folder / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    async def remove(self) -> None:
        """Kill the group and remove its temporary folder."""
        await self.stop(0)
        for path in sorted(self._folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        with contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()

    def limits_in_force(self) -> dict[str, float | int | None]:
        """None are set by the kernel."""
        return {}

    def usage(self) -> Usage | None:
        """The sum of its lives."""
        return self._group.usage() if self._group else None

    def brief_usage(self) -> Usage | None:
        """All of `usage`: there is nothing dear in it."""
        return self.usage()

    def _reap(
        self, group: ProcessGroup, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[Exit]
    ) -> None:
        """In a thread: tell the loop how it ended."""
        code = group.reap()
        found = Exit(code=code, out_of_memory=self._out_of_memory)
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(_resolve, ended, found)

    async def _watch_memory(self, group: ProcessGroup) -> None:
        while not group.ended:
            usage = group.usage()
            if usage and (usage.memory_bytes or 0) > self._spec.limits.memory_bytes:
                self._out_of_memory = True
                group.signal(signal.SIGKILL)
                return
            await asyncio.sleep(WATCH_PERIOD_S)

    def _signal(self, number: signal.Signals) -> None:
        if self._group is not None:
            self._group.signal(number)


def _resolve(ended: asyncio.Future[Exit], found: Exit) -> None:
    if not ended.done():
        ended.set_result(found)


def _pump(read_fd: int, output: Callable[[bytes], None]) -> None:
    with os.fdopen(read_fd, "rb", buffering=0) as pipe:
        while chunk := pipe.read(PIPE_BYTES):
            output(chunk)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
