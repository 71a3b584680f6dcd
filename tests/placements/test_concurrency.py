"""Concurrency within reserved and account limits, and the rate of new environments; and how long they may idle."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.placements.function.concurrency import Account, ScalingRate
from harness.placements.function.fleet import idle_times
from harness.placements.function.invocation import Refused
from harness.scenario import FunctionSettings

NS = 1_000_000_000


@given(
    limit=st.integers(1, 20),
    reserved=st.dictionaries(st.sampled_from("abc"), st.integers(0, 5), max_size=3),
    asked=st.lists(st.sampled_from("abcd"), max_size=60),
)
def test_no_more_at_once_than_is_allowed_and_no_fewer(
    limit: int, reserved: dict[str, int], asked: list[str]
) -> None:
    limit += sum(reserved.values())
    account = Account(limit, dict(reserved))
    under_way: dict[str, int] = dict.fromkeys("abcd", 0)
    with ExitStack() as stack:
        for name in asked:
            shared = sum(count for other, count in under_way.items() if other not in reserved)
            free = (
                under_way[name] < reserved[name]
                if name in reserved
                else shared < limit - sum(reserved.values())
            )
            if free:
                stack.enter_context(account.invocation(name))
                under_way[name] += 1
            else:
                with pytest.raises(Refused) as refused:
                    stack.enter_context(account.invocation(name))
                expected = "ReservedFunctionConcurrent" if name in reserved else "Concurrent"
                assert refused.value.reason == f"{expected}InvocationLimitExceeded"
    # All have ended: everything is free again.
    if limit > sum(reserved.values()):
        with account.invocation("d"):
            pass


def test_an_invocation_that_fails_makes_room() -> None:
    account = Account(1)
    with suppress(ValueError), account.invocation("a"):
        raise ValueError
    with account.invocation("a"):
        pass


@given(
    per_window=st.integers(1, 50),
    gaps_ms=st.lists(st.integers(0, 3000), min_size=1, max_size=300),
)
def test_no_window_of_ten_seconds_adds_more_than_a_burst_and_a_refill(
    per_window: int, gaps_ms: list[int]
) -> None:
    rate = ScalingRate(per_window, 0)
    at_ns, added = 0, []
    for gap_ms in gaps_ms:
        at_ns += gap_ms * 1_000_000
        if rate.take(at_ns):
            added.append(at_ns)
    times = np.array(added)
    for begin in times:
        within = ((times >= begin) & (times < begin + 10 * NS)).sum()
        assert within <= 2 * per_window
    assert len(added) <= per_window * (1 + at_ns / (10 * NS)) + 1e-6


def test_the_rate_refills_continuously() -> None:
    rate = ScalingRate(1000, 0)
    assert all(rate.take(0) for _ in range(1000))
    assert not rate.take(0)
    assert rate.take(10_000_000), "one in 10 ms"
    assert not rate.take(10_000_001)
    assert sum(rate.take(NS) for _ in range(1000)) == 99


def test_idle_times_are_drawn_from_the_seed() -> None:
    base = {"kind": "function", "memory_mb": 128}
    drawn = FunctionSettings.model_validate(base | {"idle_s": {"distribution": "exponential", "mean_s": 100}})
    one, same, other = (idle_times(drawn, seed) for seed in (1, 1, 2))
    first = [one() for _ in range(500)]
    assert first == [same() for _ in range(500)]
    assert first != [other() for _ in range(500)]
    assert np.mean(np.array(first, dtype=float)) == pytest.approx(100, rel=0.2)
    even = idle_times(
        FunctionSettings.model_validate(
            base | {"idle_s": {"distribution": "uniform", "low_s": 2, "high_s": 3}}
        ),
        1,
    )
    assert all(2 <= (even() or 0) <= 3 for _ in range(100))
    assert idle_times(FunctionSettings.model_validate(base | {"idle_s": "never"}), 1)() is None
    assert idle_times(FunctionSettings.model_validate(base | {"idle_s": 7}), 1)() == 7
