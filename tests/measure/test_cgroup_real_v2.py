"""Version 2 on this machine's own hierarchy, also where version 1 has the controllers: CPU time needs none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.measure import cgroup
from harness.measure.cgroup import ContainerGroup


@pytest.fixture
def real_v2() -> Iterator[tuple[Path, Path]]:
    """The root of this machine's version 2 hierarchy, and a group made in it."""
    roots = (cgroup.CGROUP_ROOT, cgroup.CGROUP_ROOT / "unified")
    root = next((root for root in roots if (root / "cgroup.controllers").exists()), None)
    if root is None:
        pytest.skip("no cgroup v2 hierarchy is mounted")
    group = root / f"harness-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"a group cannot be made in {root}: {error}")
    yield root, group
    group.rmdir()


def test_the_real_v2_counts_the_cpu_time_of_known_work(real_v2: tuple[Path, Path]) -> None:
    root, folder = real_v2
    spin = (
        "import sys, time\n"
        "input()\n"
        "start_s = time.process_time()\n"
        "while time.process_time() - start_s < 0.3: sum(range(20_000))\n"
        "print(time.process_time() - start_s, flush=True)\n"
        "input()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdin and child.stdout
        (folder / "cgroup.procs").write_text(str(child.pid))
        group = ContainerGroup({"": folder}, {}, child.pid, root)
        before = group.usage()
        child.stdin.write(b"\n")
        child.stdin.flush()
        spun_s = float(child.stdout.readline())
        after = group.usage()
        child.communicate(b"\n")
    group.close()
    assert before and after and before.cpu_s is not None and after.cpu_s is not None
    assert after.cpu_s - before.cpu_s == pytest.approx(spun_s, rel=0.05)
    assert (after.cpu_user_s or 0) + (after.cpu_system_s or 0) == pytest.approx(after.cpu_s, abs=2e-6)
    assert after.cpu_user_s and after.cpu_system_s is not None and after.cpu_user_s > after.cpu_system_s
