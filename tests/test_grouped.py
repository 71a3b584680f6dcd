"""Rows by a key: the same figures as pandas' own groupby."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.grouped import grouped

KEY = ["block", "arm"]
NUMBERS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))
ROWS = st.lists(st.tuples(st.integers(-1, 3), st.sampled_from("cab"), NUMBERS, st.booleans()), max_size=40)


def table(rows: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*KEY, "s", "ok"])
    types: dict[str, Any] = {"block": "int32", "arm": "category", "s": "float32", "ok": "bool"}
    return frame.astype(types)


@given(ROWS)
def test_it_agrees_with_groupby(rows: list[Any]) -> None:
    frame = table(rows)
    own, theirs = grouped(frame, KEY), frame.groupby(KEY, observed=True)
    keys = theirs.size().index.to_frame(index=False).astype({"arm": str})
    pd.testing.assert_frame_equal(own.keys, keys, check_dtype=False, check_index_type=False)
    np.testing.assert_array_equal(own.counts(), theirs.size())
    np.testing.assert_allclose(own.sums(frame["s"]), theirs["s"].sum(), rtol=1e-4, atol=1)
    for quantile in (0.5, 0.99):
        expected = theirs["s"].quantile(quantile)
        np.testing.assert_allclose(own.quantiles(frame["s"], quantile), expected, rtol=1e-4, atol=0.1)
    whole = np.arange(len(frame))[::-1].copy()
    backwards = frame.assign(n=whole).groupby(KEY, observed=True)["n"]
    np.testing.assert_array_equal(own.least(whole), backwards.min())
    np.testing.assert_array_equal(own.greatest(whole), backwards.max())


@given(ROWS)
def test_some_rows_alone_are_grouped_as_though_the_others_were_not_there(rows: list[Any]) -> None:
    frame = table(rows)
    some, alone = grouped(frame, KEY).only(frame["ok"]), grouped(frame[frame["ok"]], KEY)
    pd.testing.assert_frame_equal(some.keys, alone.keys, check_dtype=False)
    np.testing.assert_array_equal(some.numbers, alone.numbers)


def test_many_possible_keys_of_few_rows_take_no_room() -> None:
    frame = pd.DataFrame({"a": [0, 2**30, 0], "b": pd.Categorical(["x", "y", "x"])})
    found = grouped(frame, ["a", "b"])
    assert found.keys.to_numpy().tolist() == [[0, "x"], [2**30, "y"]]
    assert found.numbers.tolist() == [0, 1, 0]


INTERVALS = st.lists(st.tuples(st.sampled_from("cab"), st.integers(0, 30), st.integers(0, 9)), max_size=30)


@given(INTERVALS)
def test_overlapping_intervals_count_once(rows: list[tuple[str, int, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["arm", "begun", "lasts"])
    own = grouped(frame, ["arm"])
    begun = frame["begun"].to_numpy(dtype=np.float64)
    found = own.covered(begun, begun + frame["lasts"].to_numpy(dtype=np.float64))
    seconds = {
        arm: {second for name, at, n in rows if name == arm for second in range(at, at + n)} for arm in "abc"
    }
    assert list(found) == [len(seconds[arm]) for arm in own.keys["arm"]]
