from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from harness.measure.load import Load, LoadBetween, Process, between, read_load

SPIN = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"


@pytest.fixture
def stranger() -> Iterator[None]:
    """A busy process that nobody here is the parent of."""
    name = f"stranger{time.monotonic_ns()}"
    start = f"{sys.executable} -c '{SPIN}' {name} >/dev/null 2>&1 & echo $!"
    pid = subprocess.run(["setsid", "sh", "-c", start], capture_output=True, text=True, check=True).stdout
    yield
    subprocess.run(["kill", "-9", pid.strip()], check=True)


@pytest.mark.usefixtures("stranger")
def test_a_busy_stranger_is_seen_and_named() -> None:
    begun_s = time.monotonic()
    before = read_load()

    def found() -> LoadBetween:
        return between(before, read_load())

    # On a busy machine another one may be busier for a while.
    while not ((told := found()).foreign_cpu_s > 0.15 and told.foreign_most.startswith("python")):
        assert time.monotonic() < begun_s + 15, "it spins for 20 s"
        time.sleep(0.1)
    assert 0 < told.window_s <= time.monotonic() - begun_s


def test_what_we_and_our_children_do_is_not_foreign() -> None:
    before = read_load()
    with subprocess.Popen([sys.executable, "-c", SPIN, "ours"]) as child:
        end_s = time.process_time() + 0.3  # of the processor, however many share it
        while time.process_time() < end_s:
            sum(range(1000))
        after = read_load()
        child.kill()
    assert between(before, after).harness_cpu_s > 0.2
    assert not {key for key in after.others if key[0] == child.pid}


def test_counters_are_differences_and_new_processes_count_in_full() -> None:
    def reading(at_s: float, **others: float) -> Load:
        named = {(n, 0.0): Process(name, cpu_s) for n, (name, cpu_s) in enumerate(sorted(others.items()))}
        return Load(at_s=at_s, steal_s=at_s / 10, harness_cpu_s=at_s / 2, others=named)

    found = between(reading(10.0, make=5.0), reading(12.0, make=5.5, tar=1.0))
    assert (found.window_s, found.harness_cpu_s) == (2.0, 1.0)
    assert found.steal_s == pytest.approx(0.2)
    assert found.foreign_cpu_s == pytest.approx(1.5)
    assert found.foreign_most == "tar"
    assert between(reading(1.0), reading(2.0)).foreign_most == ""
