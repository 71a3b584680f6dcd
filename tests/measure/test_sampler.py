from __future__ import annotations

import time
from dataclasses import dataclass

from harness.clock import RunClock
from harness.measure.sampler import COMPLETE_EVERY, Sampler
from harness.measure.usage import Usage
from harness.rows import Sample


@dataclass
class Counter:
    """A container whose CPU time grows by a millisecond with each reading."""

    name: str = "c"
    readings: int = 0
    complete: int = 0
    gone: bool = False
    broken: bool = False

    def usage(self) -> Usage | None:
        self.complete += 1
        return self._read(memory_anonymous_bytes=7)

    def brief_usage(self) -> Usage | None:
        return self._read()

    def _read(self, memory_anonymous_bytes: int | None = None) -> Usage | None:
        if self.broken:
            raise OSError("unreadable")
        self.readings += 1
        if self.gone:
            return None
        return Usage(cpu_s=self.readings / 1000, memory_anonymous_bytes=memory_anonymous_bytes)


def sampled(*containers: Counter, for_s: float = 0.6, during: object = None) -> tuple[list[Sample], Sampler]:
    rows: list[Sample] = []
    sampler = Sampler("r", RunClock(), rows.append)
    for container in containers:
        sampler.watch(container, "function", 3)
    sampler.start()
    time.sleep(for_s / 2)
    if callable(during):
        during(sampler)
    time.sleep(for_s / 2)
    for container in containers:
        sampler.unwatch(container)
    sampler.stop()
    return rows, sampler


def of(rows: list[Sample], name: str) -> list[Sample]:
    return [row for row in rows if row.container == name]


def test_rows_carry_what_was_read_about_twenty_times_a_second() -> None:
    counter = Counter()
    rows, sampler = sampled(counter, for_s=1.0)
    own = of(rows, "c")
    assert 5 <= len(own) <= 23
    assert [row.cpu_s for row in own] == [n / 1000 for n in range(1, len(own) + 1)]
    assert all((row.run, row.arm, row.block) == ("r", "function", 3) for row in own)
    assert [row.at_ns for row in own] == sorted(row.at_ns for row in own)
    assert of(rows, "host"), "the host is sampled as well"
    assert sampler.rounds >= 5
    assert 0 < sampler.cpu_s < 0.2


def test_dear_counters_are_read_seldom_but_first_and_last() -> None:
    counter = Counter()
    rows, _ = sampled(counter, for_s=1.0)
    own = of(rows, "c")
    assert own[0].memory_anonymous_bytes == own[-1].memory_anonymous_bytes == 7
    assert counter.complete <= 2 + len(own) // COMPLETE_EVERY
    assert own[1].memory_anonymous_bytes is None


def test_unwatching_gives_exactly_one_final_row_and_it_is_the_last() -> None:
    counter = Counter()
    rows, sampler = sampled(counter)
    sampler.unwatch(counter)
    finals = [row.final for row in of(rows, "c")]
    assert finals.count(True) == 1
    assert finals[-1]


def test_a_container_that_vanishes_or_cannot_be_read_does_not_stop_the_others() -> None:
    steady, vanishing, broken = Counter("steady"), Counter("vanishing"), Counter("broken", broken=True)

    def vanish(sampler: Sampler) -> None:
        vanishing.gone = True

    rows, sampler = sampled(steady, vanishing, broken, for_s=0.8, during=vanish)
    assert 2 <= len(of(rows, "vanishing")) < len(of(rows, "steady"))
    assert of(rows, "broken") == []
    assert sampler.failures == {"broken": "OSError: unreadable"}


def test_a_container_that_joins_late_is_sampled_too() -> None:
    early, late = Counter("early"), Counter("late")
    rows, _ = sampled(early, for_s=0.8, during=lambda sampler: sampler.watch(late, "function", 3))
    assert 1 <= len(of(rows, "late")) < len(of(rows, "early"))
