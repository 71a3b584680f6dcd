"""Both versions of control groups, read from recorded trees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.measure import cgroup, counter_files, limits
from harness.measure.cgroup import ContainerGroup, ended
from harness.measure.processes import Processes
from harness.measure.usage import Usage

RECORDED = Path(__file__).parent / "recorded"
PID = 42
MIB = 1024 * 1024
V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio")


def v1(root: Path) -> ContainerGroup:
    folders = {controller: root / controller / "job" for controller in V1_CONTROLLERS}
    return ContainerGroup(folders, {}, PID, root, RECORDED / "proc")


def v2(name: str, root: Path = RECORDED / "v2", parent: str = "") -> ContainerGroup:
    parents = {"": root / parent} if parent else {}
    return ContainerGroup({"": root / name}, parents, PID, root, RECORDED / "proc")


def about(value: float) -> Any:
    return pytest.approx(value)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the recorded trees that may be changed."""
    return Path(shutil.copytree(RECORDED, tmp_path / "recorded"))


def test_every_field_of_a_recorded_v1_container() -> None:
    group = v1(RECORDED / "v1")
    # Linux 6.18 counts no block I/O here, so what was read and written comes from the process.
    assert group.usage() == Usage(
        cpu_s=0.688215956,
        cpu_user_s=about(0.688215956 * 568 / 728),
        cpu_system_s=about(0.688215956 * 160 / 728),
        cpu_throttled_s=0.645294891,
        cpu_periods=72,
        cpu_throttled_periods=66,
        memory_bytes=48_246_784,
        memory_anonymous_bytes=47_738_880,
        memory_file_bytes=0,
        memory_peak_bytes=256 * MIB,
        oom_kills=1,
        read_bytes=4096,
        written_bytes=20_987_904,
        network_in_bytes=1096,
        network_out_bytes=0,
    )
    group.close()


def test_an_older_v1_kernel_has_ticks_and_block_counters_but_no_count_of_kills() -> None:
    group = v1(RECORDED / "v1-linux-4.4")
    assert group.usage() == Usage(
        cpu_s=2.5,
        cpu_user_s=1.875,
        cpu_system_s=0.625,
        cpu_throttled_s=0.0,
        cpu_periods=0,
        cpu_throttled_periods=0,
        memory_bytes=70 * MIB,
        memory_anonymous_bytes=50 * MIB,
        memory_file_bytes=20 * MIB,
        memory_peak_bytes=90 * MIB,
        read_bytes=1_572_864,
        written_bytes=4_202_496,
        network_in_bytes=1096,
        network_out_bytes=0,
    )
    group.close()


def test_the_recursive_block_counter_is_preferred(tree: Path) -> None:
    blocks = tree / "v1-linux-4.4/blkio/job/blkio.throttle.io_service_bytes_recursive"
    blocks.write_text("8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n")
    group = v1(tree / "v1-linux-4.4")
    usage = group.usage()
    group.close()
    assert usage is not None
    assert (usage.read_bytes, usage.written_bytes) == (1, 2)


def test_every_field_of_a_recorded_v2_container() -> None:
    group = v2("web")
    assert group.usage() == Usage(
        cpu_s=12.345678,
        cpu_user_s=10.0,
        cpu_system_s=2.345678,
        cpu_throttled_s=0.1875,
        cpu_periods=640,
        cpu_throttled_periods=25,
        memory_bytes=150 * MIB,
        memory_anonymous_bytes=90 * MIB,
        memory_file_bytes=50 * MIB,
        memory_peak_bytes=200 * MIB,
        oom_kills=1,
        read_bytes=3 * MIB + 4096,
        written_bytes=50 * MIB + 8192,
        network_in_bytes=1096,
        network_out_bytes=0,
    )
    group.close()


def test_what_a_v2_kernel_or_group_lacks_is_none() -> None:
    group = v2("plain")
    assert group.usage() == Usage(
        cpu_s=0.7,
        cpu_user_s=0.6,
        cpu_system_s=0.1,
        memory_anonymous_bytes=4 * MIB,
        memory_file_bytes=0,
        oom_kills=0,
        read_bytes=4096,
        written_bytes=20_987_904,
        network_in_bytes=1096,
        network_out_bytes=0,
    )
    group.close()


@pytest.mark.parametrize("make", [lambda: v2("web"), lambda: v1(RECORDED / "v1-linux-4.4")])
def test_a_brief_reading_agrees_with_a_complete_one_in_what_it_has(
    make: Callable[[], ContainerGroup],
) -> None:
    group = make()
    brief, complete = group.brief_usage(), group.usage()
    assert brief is not None
    for name in ("cpu_s", "cpu_throttled_s", "memory_bytes", "memory_peak_bytes", "written_bytes"):
        assert getattr(brief, name) == getattr(complete, name) is not None
    assert brief.memory_anonymous_bytes is brief.memory_file_bytes is brief.oom_kills is None
    group.close()


def test_a_stacked_disk_is_not_counted_twice(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "block/259:0/slaves/sda").mkdir(parents=True)
    monkeypatch.setattr(counter_files, "BLOCK_DEVICES", tree / "block")
    counter_files.is_stacked.cache_clear()
    group = v2("web")
    usage = group.usage()
    group.close()
    counter_files.is_stacked.cache_clear()
    assert usage is not None
    assert (usage.read_bytes, usage.written_bytes) == (4096, 8192)


def test_the_parent_has_the_totals_of_a_container_that_has_gone(tree: Path) -> None:
    group = v2("web", tree / "v2", parent="parent")
    group.usage()
    (tree / "v2/web/cpu.stat").write_text("")
    for _ in range(2):
        assert group.usage() == group.brief_usage() == Usage(
            cpu_s=13.0,
            cpu_user_s=10.5,
            cpu_system_s=2.5,
            cpu_throttled_s=0.1875,
            cpu_periods=640,
            cpu_throttled_periods=25,
            memory_peak_bytes=220 * MIB,
            oom_kills=2,
            read_bytes=3 * MIB + 4096,
            written_bytes=60_000_000,
            network_in_bytes=1096,
            network_out_bytes=0,
        )  # fmt: skip
    group.close()


def test_a_container_that_was_gone_before_its_group_was_found(tmp_path: Path) -> None:
    parents = {"": RECORDED / "v2/parent"}
    group = ContainerGroup({}, parents, PID, RECORDED / "v2", tmp_path)
    usage = group.usage()
    assert usage is not None
    assert (usage.cpu_s, usage.memory_peak_bytes) == (13.0, 220 * MIB)
    group.close()
    unknown = ContainerGroup({}, {}, PID, RECORDED / "v2", tmp_path)
    assert unknown.usage() is None
    unknown.close()


def test_a_process_that_has_ended_does_not_lend_the_counters_of_the_whole_machine() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        # Version 1 tells the root of a process that has ended, and this process is in no container of ours.
        assert cgroup.folders_of(ended.pid, "0123456789ab") == {}
    assert cgroup.folders_of(0, "0123456789ab") == {}


def test_the_last_brief_reading_is_not_forgotten_at_the_end(tree: Path) -> None:
    group = v2("web", tree / "v2")
    group.usage()
    (tree / "v2/web/cpu.stat").write_text("usage_usec 12999999\n")
    group.brief_usage()
    (tree / "v2/web/cpu.stat").write_text("")
    last = group.usage()
    assert last is not None
    assert (last.cpu_s, last.oom_kills, last.memory_bytes) == (12.999999, 1, None)
    group.close()


def test_descriptors_are_closed(tree: Path) -> None:
    before = descriptors()
    groups = [v1(tree / "v1"), v1(tree / "v1-linux-4.4"), v2("web", tree / "v2", "parent"), v2("plain")]
    for group in groups:
        group.usage()
    (tree / "v2/web/cpu.stat").write_text("")
    last = groups[2].usage()
    assert descriptors() > before
    for group in groups:
        group.close()
        group.close()
    assert groups[2].usage() == groups[2].brief_usage() == last
    assert descriptors() == before


def test_processes_tell_of_network_and_disk(tree: Path) -> None:
    before = descriptors()
    members = tree / "v1/memory/job/cgroup.procs"
    processes = Processes(42, tree / "v1/memory/job", tree / "proc")
    processes.follow_members()
    assert processes.network_bytes() == (1096, 0)
    assert processes.io_bytes() == (4096, 20_987_904)
    shutil.copytree(tree / "proc/42", tree / "proc/43")
    members.write_text("42\n43\n44\n")
    processes.follow_members()
    assert processes.io_bytes() == (2 * 4096, 2 * 20_987_904)
    members.write_text("")
    processes.follow_members()
    assert processes.io_bytes() == (None, None)
    # As the container ends its engine takes the interfaces away, before the last reading.
    interfaces = tree / "proc/42/net/dev"
    interfaces.write_text("".join(interfaces.read_text().splitlines(keepends=True)[:3]))
    assert processes.network_bytes() == (1096, 0)
    processes.close()
    assert processes.network_bytes() == (None, None)
    assert descriptors() == before


def test_the_highest_of_each_counter_is_kept() -> None:
    found = ended(
        Usage(cpu_s=2.0, oom_kills=1, memory_bytes=5), Usage(cpu_s=1.5, read_bytes=7), Usage(oom_kills=0)
    )
    assert found == Usage(cpu_s=2.0, oom_kills=1, read_bytes=7)


@pytest.mark.parametrize(("controller", "name"), [("cpu", "cpu.shares"), ("", "cpu.weight")])
def test_a_parent_gets_the_share_of_the_group_in_it(tmp_path: Path, controller: str, name: str) -> None:
    group, parent = tmp_path / "group", tmp_path / "parent"
    for folder, share in ((group, "256\n"), (parent, "1024\n")):
        folder.mkdir()
        (folder / name).write_text(share)
    limits.pass_on_share({controller: group}, {})
    limits.pass_on_share({}, {controller: parent})
    assert (parent / name).read_text() == "1024\n"
    limits.pass_on_share({controller: group}, {controller: parent})
    assert (parent / name).read_text() == "256\n"
