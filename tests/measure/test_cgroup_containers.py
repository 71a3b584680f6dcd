"""Counters of real containers beyond those of tests/engines/test_known_work.py: of children, kills and networks.

Each container is read before its work and after it, so that what the interpreter took is in neither difference.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engines.base import Container, Engine, Limits
from harness.measure.usage import Usage
from tests.engines.test_containers import MIB, ROOMY, MakeEngine, python, running, with_engine

pytestmark = pytest.mark.docker
WITHIN = 0.05
# Works when the file `go` is there, and says so on standard output; the folder is shared read-only.
SCRIPT = """
import os, subprocess, sys, time
print("ready", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.02)
{work}
print("done", flush=True)
time.sleep(60)
"""
WRITE = (
    "file = os.open('/tmp/file', os.O_WRONLY | os.O_CREAT)\n"
    "block = os.urandom(1 << 20)\n"
    "for _ in range(50): os.write(file, block)\n"
    "os.fsync(file)\n"
)
Measure = Callable[..., tuple[Usage, Usage]]


async def until(container: Container, word: str) -> None:
    for _ in range(1200):
        if word in (output := await container.output()).split():
            return
        assert "Error" not in output, output
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {word!r}: {await container.output()}")


@pytest.fixture
def measure(make_docker: MakeEngine, tmp_path: Path) -> Measure:
    """Two complete readings of a container: before `work`, which is Python code, and after it."""
    tmp_path.chmod(0o755)

    def both(work: str, limits: Limits = ROOMY) -> tuple[Usage, Usage]:
        found: list[Usage | None] = []

        async def check(engine: Engine) -> None:
            code = SCRIPT.format(go=str(tmp_path / "go"), work=work)
            async with running(engine, python(code, limits, readable=(tmp_path,))) as container:
                await until(container, "ready")
                found.append(container.usage())
                (tmp_path / "go").touch()
                await until(container, "done")
                found.append(container.usage())

        with_engine(make_docker, check)
        before, after = found
        assert before is not None and after is not None
        return before, after

    return both


def open_files() -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of the listing itself
            found.append(str(link.readlink()))
    return found


def rise(both: tuple[Usage, Usage], name: str) -> float:
    before, after = (getattr(usage, name) for usage in both)
    assert before is not None and after is not None, f"{name} is not known: {both}"
    return float(after - before)


def test_a_peak_stays_when_the_memory_is_given_back(measure: Measure) -> None:
    both = measure(f"held = b'1' * {100 * MIB}\ndel held")
    assert abs(rise(both, "memory_anonymous_bytes")) < 5 * MIB
    assert (both[1].memory_peak_bytes or 0) - (both[0].memory_bytes or 0) == pytest.approx(
        100 * MIB, rel=WITHIN
    )


def test_cpu_time_in_the_kernel(measure: Measure) -> None:
    both = measure("while time.process_time() < 1.0: os.urandom(1 << 20)")
    assert rise(both, "cpu_system_s") > 5 * rise(both, "cpu_user_s")


def test_read_bytes_are_those_that_the_page_cache_has_not(measure: Measure) -> None:
    again = "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)\nfor _ in range(2): open('/tmp/file', 'rb').read()"
    both = measure(WRITE + again)
    assert rise(both, "read_bytes") == pytest.approx(50 * MIB, rel=WITHIN)


def test_what_a_child_writes_counts_while_it_lives_and_after(measure: Measure) -> None:
    inner = "import os, sys, time\n" + WRITE + "print('written', flush=True)\nsys.stdin.read()"
    start = f"child = subprocess.Popen([sys.executable, '-c', {inner!r}], stdin=-1, stdout=-1)\nchild.stdout.read(7)\n"
    assert rise(measure(start), "written_bytes") == pytest.approx(50 * MIB, rel=WITHIN)


def test_what_an_ended_child_wrote_counts_too(measure: Measure) -> None:
    inner = "import os\n" + WRITE
    both = measure(f"subprocess.run([sys.executable, '-c', {inner!r}], check=True)")
    assert rise(both, "written_bytes") == pytest.approx(50 * MIB, rel=WITHIN)


def test_an_oom_kill_of_a_child(measure: Measure) -> None:
    greedy = "held = b'1' * (300 << 20)"
    work = f"assert subprocess.run([sys.executable, '-c', {greedy!r}]).returncode == -9"
    both = measure(work, Limits(vcpu=1.0, memory_bytes=96 * MIB))
    assert rise(both, "oom_kills") == 1
    assert both[1].memory_peak_bytes == 96 * MIB


def test_network_traffic_of_a_server(make_docker: MakeEngine) -> None:
    code = (
        "import socket, sys\n"
        "server = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
        "print('ready', flush=True)\n"
        "peer, _ = server.accept()\n"
        "left = 20 << 20\n"
        "while left: left -= len(peer.recv(1 << 20))\n"
        "peer.sendall(bytes(10 << 20))\n"
        "peer.recv(1)\n"
    )

    async def check(engine: Engine) -> None:
        spec = python(code, network="harness", port=8080)
        spec = replace(spec, command=(*spec.command, "{host}", "{port}"))
        async with running(engine, spec) as container:
            await until(container, "ready")
            before = container.usage()
            reader, writer = await asyncio.open_connection(*container.address)
            writer.write(bytes(20 << 20))
            await reader.readexactly(10 << 20)
            after = container.usage()
            writer.close()
        assert before is not None and after is not None
        assert rise((before, after), "network_in_bytes") == pytest.approx(20 * MIB, rel=WITHIN)
        assert rise((before, after), "network_out_bytes") == pytest.approx(10 * MIB, rel=WITHIN)

    with_engine(make_docker, check)


def test_a_removed_container_leaves_no_descriptor_open(make_docker: MakeEngine) -> None:
    async def check(engine: Engine) -> None:
        for number in range(3):
            async with running(engine, python("import time; time.sleep(0.2)")) as container:
                container.usage()
                await container.wait()
                container.usage()
            assert not [path for path in open_files() if "cgroup" in path or "/net/dev" in path], number

    with_engine(make_docker, check)
