"""Every change of the cheaper placement, over load, duration and memory, and the curves that are drawn of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis.cells import valid_items
from harness.cost.breakeven import (
    AXES,
    DURATION,
    FIRST_FEW,
    LOAD,
    Axis,
    break_even,
    changes,
    memory_curve,
    plot_data,
)
from harness.cost.curve import crossings, line, stairs
from harness.cost.model import CostModel, cost_model
from tests.synthetic import make_run


@pytest.fixture(scope="module")
def close(tmp_path_factory: pytest.TempPathFactory) -> CostModel:
    """A function whose cost runs through the steps of a service's tasks, over load and over memory."""
    run = make_run(tmp_path_factory.mktemp("made") / "r")
    run.manifest["scenario"]["placements"] = {"function": {"tmp_mb": 4096}, "service": {"tasks": 1}}
    return cost_model(run)


def test_every_change_of_a_pair_has_a_row_that_follows_on_the_one_before(close: CostModel) -> None:
    table: Any = break_even(close, 2e7)
    several = 0
    for (first, second, _), own in table.groupby(["first", "second", "axis"]):
        assert list(own["number"][:7]) == list(range(1, len(own) + 1))[:7]
        assert own["number"].iloc[-1] == own["crossings"].iloc[0] or len(own) == 1
        assert list(own["at"]) == sorted(own["at"])
        assert set(own["below"]) <= {first, second}
        assert (own["below"] != own["above"]).all()
        told = own[own["number"] <= 7]
        assert list(told["above"][:-1]) == list(told["below"][1:])
        several += len(own) > 2
    assert several, "steps make several changes"


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_the_cheaper_one_changes_at_each_row(close: CostModel, axis: Axis) -> None:
    table: Any = break_even(close, 2e7)
    rows = table[table["axis"] == axis.name]
    assert len(rows)
    for row in rows.itertuples():
        curves = {name: axis.curve(close, close.option(name), 2e7) for name in (row.first, row.second)}
        hair = 1e-7 * row.at
        just = [{name: float(each(row.at + side)) for name, each in curves.items()} for side in (-hair, hair)]
        assert min(just[0], key=just[0].__getitem__) == row.below
        assert min(just[1], key=just[1].__getitem__) == row.above


def test_each_axis_has_intervals_over_the_blocks(close: CostModel) -> None:
    table: Any = break_even(close, 2e7)
    assert set(table["axis"]) == {axis.name for axis in AXES}
    assert (table["share"] > 0).all()
    assert (table["low"] <= table["high"]).all()
    for axis in AXES:
        first = table[(table["axis"] == axis.name) & table["equal"]].iloc[0]
        assert first["low"] <= first["at"] <= first["high"]
        assert first["low"] < first["high"]


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_a_plot_has_the_curve_within_its_band(close: CostModel, axis: Axis) -> None:
    table: Any = plot_data(close, axis, 2e7)
    assert set(table["arm"]) == {"function", "batch", "service"}
    for name, own in table.groupby("arm"):
        curve = axis.curve(close, close.option(str(name)), 2e7)
        np.testing.assert_allclose(own["usd"], curve(own["at"]))
        assert own["at"].is_monotonic_increasing
        # A step that stands elsewhere in every draw leaves the figure at the edge of its band.
        assert ((own["low"] <= own["usd"] * 1.05) & (own["usd"] <= own["high"] * 1.05)).mean() > 0.95


def test_a_draw_s_memory_is_priced_with_its_own_figures(close: CostModel) -> None:
    option = close.option("function")
    twice = replace(option.figures, billed_s=2 * option.figures.billed_s)
    usual, dear = (memory_curve(close, option, 2e7, each) for each in (None, twice))
    assert float(dear(1024) - dear(512)) == pytest.approx(2 * float(usual(1024) - usual(512)))


def test_of_many_changes_the_first_few_and_the_last_are_told_with_their_numbers(close: CostModel) -> None:
    pair = [close.option("function"), close.option("service")]
    curves = {"function": line(0.0, 1.0), "service": stairs(10.0, 9.5, 1)}
    found = changes(close, pair, curves, LOAD)
    every = crossings(curves["function"], curves["service"], LOAD.low, LOAD.high)
    assert len(every) > FIRST_FEW + 1
    assert [each.number for each in found] == [*range(1, FIRST_FEW + 1), len(every)]
    assert [each.crossing for each in found] == [*every[:FIRST_FEW], every[-1]]
    assert {each.of for each in found} == {len(every)}
    assert (found[0].below, found[0].above, found[-1].above) == ("function", "service", "service")


def test_beyond_a_function_s_cap_there_is_nothing_to_compare(close: CostModel) -> None:
    """Its longest item takes 900 s at `most` times as long as here: from there on it has no cost and no crossing."""
    function, batch = close.option("function"), close.option("batch")
    most = close.most_times(function)
    items = valid_items(close.run)
    longest_s = items.loc[items["arm"] == "function", "handler_s"].max()
    assert most * longest_s == pytest.approx(900, rel=1e-6)
    assert close.most_times(batch) == math.inf
    far = replace(DURATION, high=1e9)
    for times, found in ((0.5, 1), (1.5, 0)):
        curves = {"function": line(0.0, 1.0), "batch": line(times * most, 0.0)}
        assert len(changes(close, [function, batch], curves, far)) == found
    rows = plot_data(close, far, 2e7, (most / 2, most * 2))
    assert rows.loc[rows["arm"] == "function", "at"].max() == pytest.approx(most)
    assert rows.loc[rows["arm"] == "batch", "at"].max() == pytest.approx(most * 2)
