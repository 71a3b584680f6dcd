"""Asynchronous invocations on virtual time: every event ends in exactly one way, when Lambda's rules say."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clock import LoopClock
from harness.placements.function.events import (
    RETRIES_EXHAUSTED,
    TOO_OLD,
    Ending,
    EventQueue,
    Retries,
    Tried,
)
from tests import virtual

outcomes = st.sampled_from(list(Tried))


class Scripted:
    """Tries events by script: what each try of each event comes to; the last word counts for all later ones."""

    def __init__(self, scripts: list[list[Tried]], took_s: float = 0.0) -> None:
        self.tries: dict[int, list[tuple[float, int, Tried]]] = defaultdict(list)
        self.letters: list[tuple[int, str, int]] = []
        self._scripts = scripts
        self._took_s = took_s

    async def try_once(self, event: int, number: int) -> Tried:
        script = self._scripts[event]
        result = script[min(len(self.tries[event]), len(script) - 1)]
        self.tries[event].append((asyncio.get_running_loop().time(), number, result))
        await asyncio.sleep(self._took_s)
        return result

    def letter(self, event: int, condition: str, tries: int) -> None:
        self.letters.append((event, condition, tries))

    def run(self, rules: Retries) -> list[Ending]:
        async def main() -> list[Ending]:
            queue: EventQueue[int] = EventQueue(self.try_once, rules, LoopClock(), self.letter)
            endings = await asyncio.gather(*(queue.put(event) for event in range(len(self._scripts))))
            assert await queue.close() == []
            return endings

        return virtual.run(main())


@given(
    scripts=st.lists(st.lists(outcomes, min_size=1, max_size=12), min_size=1, max_size=8),
    retries=st.integers(0, 2),
    max_age_s=st.floats(60, 21_600),
    time_scale=st.sampled_from([1.0, 0.01]),
    took_s=st.floats(0, 100),
)
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost_and_nothing_ends_twice(
    scripts: list[list[Tried]], retries: int, max_age_s: float, time_scale: float, took_s: float
) -> None:
    lab = Scripted(scripts, took_s)
    endings = lab.run(Retries(retries=retries, max_age_s=max_age_s, time_scale=time_scale))
    letters = {event: (condition, tries) for event, condition, tries in lab.letters}
    assert len(letters) == len(lab.letters), "one letter at most"
    for event, ending in enumerate(endings):
        tries = lab.tries[event]
        results = Counter(result for _, _, result in tries)
        assert results[Tried.FAILED] <= retries + 1
        # The number counts tries that reached the function, and begins at 1.
        numbers = [number for _, number, _ in tries]
        failed_before = [
            sum(result is Tried.FAILED for _, _, result in tries[:index]) for index in range(len(tries))
        ]
        assert numbers == [1 + failed for failed in failed_before]
        if ending is Ending.DONE:
            assert tries[-1][2] is Tried.OK
            assert event not in letters
        elif ending is Ending.DEAD_LETTERED:
            assert letters[event] == (RETRIES_EXHAUSTED, retries + 1)
            assert results[Tried.FAILED] == retries + 1
        else:
            assert letters[event] == (TOO_OLD, results[Tried.FAILED])
        assert results[Tried.OK] == (ending is Ending.DONE)
        # No try begins after its time.
        assert all(at_s <= max_age_s * time_scale + 1e-6 for at_s, _, _ in tries[1:])


def test_retries_come_after_one_and_two_minutes() -> None:
    lab = Scripted([[Tried.FAILED]])
    assert lab.run(Retries()) == [Ending.DEAD_LETTERED]
    assert [at_s for at_s, _, _ in lab.tries[0]] == [0, 60, 180]


def test_what_is_throttled_is_tried_ever_more_seldom_until_it_is_too_old() -> None:
    lab = Scripted([[Tried.THROTTLED]])
    assert lab.run(Retries()) == [Ending.EXPIRED]
    times = [at_s for at_s, _, _ in lab.tries[0]]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert set(gaps[9:]) == {300}
    assert times[-1] < 21_600
    assert lab.letters == [(0, TOO_OLD, 0)]


def test_throttling_uses_up_no_retries() -> None:
    script = [Tried.FAILED, Tried.THROTTLED, Tried.THROTTLED, Tried.FAILED, Tried.THROTTLED, Tried.OK]
    lab = Scripted([script])
    assert lab.run(Retries()) == [Ending.DONE]
    assert [number for _, number, _ in lab.tries[0]] == [1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("time_scale", [0.01, 0.5])
def test_time_can_be_scaled(time_scale: float) -> None:
    lab = Scripted([[Tried.FAILED]])
    lab.run(Retries(time_scale=time_scale))
    assert [at_s for at_s, _, _ in lab.tries[0]] == pytest.approx([0, 60 * time_scale, 180 * time_scale])


def test_a_queue_that_closes_names_what_had_not_ended() -> None:
    lab = Scripted([[Tried.OK], [Tried.FAILED]])

    async def main() -> list[int]:
        queue: EventQueue[int] = EventQueue(lab.try_once, Retries(), LoopClock(), lab.letter)
        for event in (0, 1):
            queue.put(event)
        await asyncio.sleep(1)
        return await queue.close()

    assert virtual.run(main()) == [1]
