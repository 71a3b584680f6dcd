from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.offset import bound

MS = 1_000_000


@given(
    st.integers(-(10**15), 10**15),
    st.lists(
        st.tuples(st.integers(1, 50 * MS), st.integers(0, 50 * MS), st.integers(1, 50 * MS)), min_size=1
    ),
)
def test_the_bounds_hold_the_true_offset_and_the_estimate_is_within_its_error(
    offset_ns: int, exchanges: list[tuple[int, int, int]]
) -> None:
    there, work, back = np.array(exchanges, dtype=np.int64).T
    sent = np.arange(len(exchanges), dtype=np.int64) * 1000 * MS
    started = sent + there + offset_ns
    ended = started + work
    received = ended - offset_ns + back
    found = bound(sent, started, ended, received)
    assert found is not None
    assert found.low_ns <= offset_ns <= found.high_ns
    assert abs(found.value_ns - offset_ns) <= found.error_ns + 1
    assert found.consistent
    assert found.exchanges == len(exchanges)


def test_one_clock_is_told_from_two() -> None:
    sent, received = np.array([0, 100 * MS]), np.array([10 * MS, 110 * MS])
    same = bound(sent, sent + 2 * MS, received - 3 * MS, received)
    assert same is not None
    assert same.shared
    other = bound(sent, sent + 2 * MS + 50 * MS, received - 3 * MS + 50 * MS, received)
    assert other is not None
    assert not other.shared
    assert abs(other.value_ns - 50 * MS) <= other.error_ns == 2.5 * MS


def test_clocks_that_drift_are_not_explained_by_one_offset() -> None:
    sent, received = np.array([0, 1000 * MS]), np.array([2 * MS, 1002 * MS])
    drifting = np.array([0, 100 * MS])
    found = bound(sent, sent + MS + drifting, received - MS + drifting, received)
    assert found is not None
    assert not found.consistent


def test_nothing_is_known_without_an_exchange() -> None:
    assert bound([], [], [], []) is None
