"""Known work in a real container reads back from its control group within 5 %.

A script does nothing, is read, does its work, is read again: what the interpreter took is in neither difference.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engines.base import Container, ContainerSpec, Engine, Limits
from harness.measure.usage import Usage

pytestmark = pytest.mark.docker
NUMBERS = itertools.count()
MIB = 2**20
ROOMY = Limits(vcpu=2.0, memory_bytes=600 * MIB)
# The work is done when `go` is there, and `done` tells that it was.
FRAME = """
import os, pathlib, sys, time
shared = pathlib.Path({folder!r})
def wait(name):
    while not (shared / name).exists():
        time.sleep(0.01)
(shared / "ready").touch()
wait("go")
{work}
(shared / "done").touch()
wait("leave")
"""


def measured(
    make: Callable[[], Engine], folder: Path, work: str, limits: Limits = ROOMY
) -> tuple[Usage, Usage, Usage]:
    """Readings before the work, after it, and after the container's end."""
    folder.mkdir()
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent.owner() == folder.owner() and parent != Path("/"):
            parent.chmod(0o755)

    async def seen(name: str, container: Container) -> None:
        async with asyncio.timeout(60):
            while not (folder / name).exists():
                assert "Error" not in await container.output()
                await asyncio.sleep(0.02)

    async def main() -> tuple[Usage, Usage, Usage]:
        engine = make()
        spec = ContainerSpec(
            name=f"harness-known-{next(NUMBERS)}",
            command=("python3", "-c", FRAME.format(folder=str(folder), work=work)),
            environment={}, limits=limits, writable=(folder,),
        )  # fmt: skip
        try:
            container = await engine.create(spec)
            await container.start()
            await seen("ready", container)
            before = container.usage()
            (folder / "go").touch()
            await seen("done", container)
            after = container.usage()
            (folder / "leave").touch()
            assert (await container.wait()).code == 0
            last = container.usage()
            await container.remove()
        finally:
            await engine.close()
        assert before and after and last
        return before, after, last

    return asyncio.run(main())


def grown(before: Usage, after: Usage, name: str) -> float:
    old, new = getattr(before, name), getattr(after, name)
    assert old is not None, name
    assert new is not None, name
    return float(new - old)


def test_memory_that_is_touched(make_docker: Callable[[], Engine], tmp_path: Path) -> None:
    work = "held = bytearray(200 * 2**20)\nheld[::4096] = b'x' * len(held[::4096])"
    before, after, last = measured(make_docker, tmp_path / "f", work)
    for name in ("memory_bytes", "memory_anonymous_bytes"):
        assert grown(before, after, name) == pytest.approx(200 * MIB, rel=0.05), name
    assert grown(before, after, "memory_file_bytes") < 10 * MIB
    assert after.memory_peak_bytes is not None
    assert after.memory_bytes is not None
    assert after.memory_peak_bytes == pytest.approx(after.memory_bytes, rel=0.05)
    assert last.memory_peak_bytes is not None
    assert last.memory_peak_bytes >= 200 * MIB, "the peak is known after the end too"


def test_a_second_of_cpu_time(make_docker: Callable[[], Engine], tmp_path: Path) -> None:
    work = "end = time.process_time() + 1.0\nwhile time.process_time() < end: sum(range(20_000))"
    before, after, last = measured(make_docker, tmp_path / "f", work)
    assert grown(before, after, "cpu_s") == pytest.approx(1.0, rel=0.05)
    user_s, system_s = grown(before, after, "cpu_user_s"), grown(before, after, "cpu_system_s")
    assert user_s + system_s == pytest.approx(grown(before, after, "cpu_s"), rel=0.05)
    assert user_s > 5 * system_s
    assert grown(before, last, "cpu_s") >= grown(before, after, "cpu_s")


def test_a_file_written_to_disk_is_io_and_page_cache_but_not_anonymous(
    make_docker: Callable[[], Engine], tmp_path: Path
) -> None:
    work = (
        "with open('/tmp/file', 'wb') as file:\n"
        "    for _ in range(50): file.write(os.urandom(2**20))\n"
        "    file.flush()\n"
        "    os.fsync(file.fileno())\n"
    )
    before, after, _ = measured(make_docker, tmp_path / "f", work)
    assert grown(before, after, "written_bytes") == pytest.approx(50 * MIB, rel=0.05)
    assert grown(before, after, "memory_file_bytes") == pytest.approx(50 * MIB, rel=0.05)
    assert grown(before, after, "memory_anonymous_bytes") < 5 * MIB


def test_a_cpu_limit_shows_as_throttling(make_docker: Callable[[], Engine], tmp_path: Path) -> None:
    limits = Limits(vcpu=0.2, memory_bytes=256 * MIB)
    work = "end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    before, after, _ = measured(make_docker, tmp_path / "f", work, limits)
    assert grown(before, after, "cpu_s") == pytest.approx(0.2, rel=0.1)
    # 0.2 s of work at a fifth of a core takes a second, in windows of 20 ms, four fifths of each stopped.
    assert grown(before, after, "cpu_throttled_s") == pytest.approx(0.8, rel=0.3)
    assert 30 <= grown(before, after, "cpu_throttled_periods") <= grown(before, after, "cpu_periods")


def test_a_short_container_is_exact_after_its_end(make_docker: Callable[[], Engine]) -> None:
    """Fifty milliseconds of work, never sampled while it lived: no interpolation could know of it."""

    async def lived(engine: Engine, code: str) -> Usage:
        spec = ContainerSpec(
            name=f"harness-known-{next(NUMBERS)}",
            command=("python3", "-c", code),
            environment={},
            limits=ROOMY,
        )
        container = await engine.create(spec)
        await container.start()
        assert (await container.wait()).code == 0
        usage = container.usage()
        await container.remove()
        assert usage is not None
        return usage

    async def main() -> list[list[Usage]]:
        engine = make_docker()
        spin = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.05: pass"
        hold = "import time\nx = bytearray(64 * 2**20)"
        try:
            return [[await lived(engine, code) for code in ("import time", spin, hold)] for _ in range(5)]
        finally:
            await engine.close()

    trials = asyncio.run(main())
    cpu_s = statistics.median(grown(nothing, spun, "cpu_s") for nothing, spun, _ in trials)
    assert cpu_s == pytest.approx(0.05, abs=0.01)
    peak_bytes = statistics.median(grown(nothing, held, "memory_peak_bytes") for nothing, _, held in trials)
    assert peak_bytes == pytest.approx(64 * MIB, rel=0.05)
