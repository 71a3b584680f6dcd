"""The embedded engine: plain processes of this machine, for where no container engine is.

Nothing isolates them, the CPU is not limited, and memory is only watched: a process group beyond its ceiling is
killed within about 50 ms. A report from this engine says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from harness.engines import load_balancer
from harness.engines.base import ContainerSpec, EngineError, Exit, Network
from harness.measure.usage import Usage, added
from harness.scenario import ROOT

WATCH_PERIOD_S = 0.05
PIPE_BYTES = 65_536


class ProcessEngine:
    """Runs each "container" as a process group of its own."""

    name = "process"
    host_address = "127.0.0.1"

    def __init__(self) -> None:
        self.load_balancer = load_balancer.installed()
        self._live: set[ProcessContainer] = set()

    async def reserve(self, count: int, *, network: Network) -> None:
        """There is nothing that could be made ahead."""

    async def create(self, spec: ContainerSpec) -> ProcessContainer:
        """Note what is to be run; a process is made at its start."""
        if spec.image is not None:
            await self.default_command(spec.image)
        container = ProcessContainer(spec)
        self._live.add(container)
        return container

    async def default_command(self, image: str) -> tuple[str, ...]:
        """There are no images here."""
        raise EngineError(f"image {image!r}: the process engine runs no images; use --engine docker")

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "name": self.name,
            "version": platform.python_version(),
            "enforced": {
                "cpu": "absent",
                "memory": "watched",
                "swap": "not limited",
                "pids": "absent",
                "tmp": "absent",
            },
            "load_balancer": f"HAProxy {self.load_balancer.version} of this machine"
            if self.load_balancer
            else None,
            "note": "plain processes of this machine, not containers: no CPU limit, memory only watched",
        }

    async def close(self) -> None:
        """Kill what is left."""
        await asyncio.gather(*(container.remove() for container in self._live))
        self._live.clear()


class ProcessContainer:
    """One process group that stands for a container."""

    def __init__(self, spec: ContainerSpec) -> None:
        self._spec = spec
        self._folder = Path(tempfile.mkdtemp(prefix="placement-harness-"))
        self._port = 0
        self._pid = 0
        self._exit: asyncio.Future[Exit] | None = None
        self._out_of_memory = False
        self._last: Usage | None = None
        self._earlier: Usage | None = None
        self._ended = False

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
        self._earlier = self._last
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
            self._pid = os.posix_spawnp(
                program,
                [program, *words[1:]],
                environment,
                setsid=True,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, out_fd, 1),
                    (os.POSIX_SPAWN_DUP2, out_fd, 2),
                ],
            )
        except OSError as error:
            raise EngineError(f"{self.name}: {program} does not start: {error}") from error
        finally:
            os.close(out_fd)
        self._ended = False
        self._out_of_memory = False
        loop = asyncio.get_running_loop()
        self._exit = loop.create_future()
        # A thread of its own: those that the loop shares are few, and each would wait for as long as its process lives.
        threading.Thread(target=self._reap_for, args=(loop, self._exit), daemon=True).start()
        self._watch = asyncio.create_task(self._watch_memory())

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
        return not self._ended

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
        """Summed over the group while it lives, then what the kernel says of it at its end."""
        if self._pid and not self._ended:
            self._last = self._read() or self._last
        return self._last

    def brief_usage(self) -> Usage | None:
        """All of `usage`: there is nothing dear in it."""
        return self.usage()

    def _read(self) -> Usage | None:
        try:
            leader = psutil.Process(self._pid)
            members = [leader, *leader.children(recursive=True)]
            times = [member.cpu_times() for member in members]
            memory_bytes = sum(member.memory_info().rss for member in members)
        except psutil.Error:
            return None
        seen = self._last.memory_peak_bytes or 0 if self._last else 0
        peak = max(memory_bytes, seen, _high_water_bytes(self._pid))
        user_s, system_s = sum(t.user for t in times), sum(t.system for t in times)
        return self._with_earlier(
            Usage(
                cpu_s=user_s + system_s,
                cpu_user_s=user_s,
                cpu_system_s=system_s,
                memory_bytes=memory_bytes,
                memory_peak_bytes=peak,
            )
        )

    def _with_earlier(self, reading: Usage) -> Usage:
        return reading if self._earlier is None else added(self._earlier, reading)

    def _reap_for(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[Exit]) -> None:
        found = self._reap()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(_resolve, ended, found)

    def _reap(self) -> Exit:
        """Wait in a thread: wait4 gives the exact CPU time of the process and its waited-for children.

        Its ru_maxrss is of no use: Linux carries over the peak of the program that made the process, ours.
        """
        _, status, resources = os.wait4(self._pid, 0)
        self._ended = True
        self._last = self._with_earlier(
            Usage(
                cpu_s=resources.ru_utime + resources.ru_stime,
                cpu_user_s=resources.ru_utime,
                cpu_system_s=resources.ru_stime,
                memory_peak_bytes=self._last.memory_peak_bytes if self._last else None,
            )
        )
        code = os.waitstatus_to_exitcode(status)
        return Exit(code=code if code >= 0 else 128 - code, out_of_memory=self._out_of_memory)

    async def _watch_memory(self) -> None:
        while not self._ended:
            usage = self.usage()
            if usage and (usage.memory_bytes or 0) > self._spec.limits.memory_bytes:
                self._out_of_memory = True
                self._signal(signal.SIGKILL)
                return
            await asyncio.sleep(WATCH_PERIOD_S)

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, number)


def _resolve(ended: asyncio.Future[Exit], found: Exit) -> None:
    if not ended.done():
        ended.set_result(found)


def _pump(read_fd: int, output: Callable[[bytes], None]) -> None:
    with os.fdopen(read_fd, "rb", buffering=0) as pipe:
        while chunk := pipe.read(PIPE_BYTES):
            output(chunk)


def _high_water_bytes(pid: int) -> int:
    """Peak resident memory of a process since its exec; 0 where the system does not tell (it is not Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
