"""Disks of a limited size, which take root; and /tmp in real containers, where that is one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from harness.doctor import clean
from harness.engines.base import ContainerSpec, EngineError, Limits
from harness.engines.disks import MIB, Disks, leftovers
from harness.engines.docker import DockerEngine

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="to mount a file system takes root"),
]
NOBODY = 10_001, 10_001
FILL = """
import errno, pathlib
data = bytes(2**20)
file = open("/tmp/filled", "wb", buffering=0)
written = 0
try:
    while written < {most}:
        written += file.write(data) // 2**20
except OSError as error:
    assert error.errno == errno.ENOSPC, error
print(written)
"""


@pytest.mark.parametrize("size_mib", [512, 513, 1024, 3000, 10_240])
def test_a_disk_has_what_was_asked_for_and_little_more(tmp_path: Path, size_mib: int) -> None:
    disks = Disks("run", tmp_path)
    disks.make("a", size_mib * MIB, NOBODY)
    try:
        found = os.statvfs(disks.path("a"))
        free_bytes = found.f_bavail * found.f_frsize
        assert 0 <= free_bytes - size_mib * MIB <= 4 * MIB
        assert found.f_favail > 16 * size_mib
        status = disks.path("a").stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (*NOBODY, 0o1777)
        assert list(disks.path("a").iterdir()) == []
        assert (tmp_path / "run" / "a.disk").stat().st_blocks * 512 < 2 * MIB
    finally:
        disks.close()
    assert not (tmp_path / "run").exists()


def test_what_a_crash_left_is_found_and_cleaned(docker_client: docker.DockerClient, tmp_path: Path) -> None:
    crashed = Disks("crashed", tmp_path)
    crashed.make("a", 512 * MIB, NOBODY)
    crashed.make("b", 512 * MIB, NOBODY)
    assert leftovers(tmp_path) == ["crashed"]
    assert "disks of crashed" in clean(docker_client, tmp_path, tmp_path)
    assert leftovers(tmp_path) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_disk_can_be_removed_twice_and_an_impossible_one_is_an_engine_error(tmp_path: Path) -> None:
    disks = Disks("run", tmp_path)
    disks.make("a", 512 * MIB, NOBODY)
    disks.remove("a")
    disks.remove("a")
    with pytest.raises(EngineError, match="a disk of 1152921504606846976 bytes"):
        disks.make("b", 2**60, NOBODY)
    disks.close()


@pytest.mark.parametrize(("most", "fits"), [(500, True), (600, False)])
def test_tmp_is_full_at_its_size_and_is_no_memory(
    make_docker: Callable[[], DockerEngine], most: int, fits: bool
) -> None:
    async def fill() -> tuple[int, str, object]:
        engine = make_docker()
        try:
            spec = ContainerSpec(
                name=f"disk-test-{most}",
                command=("python3", "-c", FILL.format(most=most)),
                environment={},
                limits=Limits(vcpu=1.0, memory_bytes=64 * MIB, temporary_bytes=512 * MIB),
            )
            container = await engine.create(spec)
            await container.start()
            in_force = container.limits_in_force()["temporary_bytes"]
            end = await container.wait()
            output = await container.output()
            await container.remove()
            return end.code, output, in_force
        finally:
            await engine.close()

    code, output, in_force = asyncio.run(fill())
    assert code == 0, output
    written = int(output)
    assert written == most if fits else 512 <= written <= 518
    assert in_force == pytest.approx(512 * MIB, rel=0.01)
