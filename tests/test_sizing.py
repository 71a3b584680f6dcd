"""How many blocks a run takes, on made-up pilots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import analysis, scenario
from harness.analysis.planning import NothingToPlan, plan_blocks
from harness.runs import Run, RunWriter
from harness.session.sizing import PILOT_BLOCKS, Sizing
from tests.synthetic import Recipe, _Maker, make_run, manifest


def chosen() -> scenario.Scenario:
    return scenario.load(scenario.find("default"))


def test_without_wishes_it_is_what_the_scenario_says() -> None:
    sizing = Sizing(chosen().model_copy(update={"warmup_blocks": 2, "blocks": 7}), None, None)
    assert (sizing.pilot_blocks, sizing.blocks) == (2, 9)
    assert not sizing.out_of_time()


def test_a_finer_precision_takes_more_blocks_and_never_fewer_than_a_claim(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", warmup_blocks=PILOT_BLOCKS, blocks=0)
    planned = [plan_blocks(run, precision).blocks for precision in (0.5, 0.05, 0.02, 0.01)]
    assert planned[0] == 10
    assert planned == sorted(planned)
    assert planned[-1] > planned[1]
    # Four times as many blocks halve an interval.
    assert planned[-1] / planned[-2] == pytest.approx(4, rel=0.1)
    assert "against function in phase" in plan_blocks(run, 0.05).widest


def test_the_main_part_is_planned_from_the_pilot_alone(tmp_path: Path) -> None:
    recipe = Recipe(warmup_blocks=PILOT_BLOCKS, blocks=0)
    writer = RunWriter(tmp_path / "r", manifest(recipe))
    _Maker(writer, recipe).run()
    sizing = Sizing(chosen(), 0.05, None)
    assert sizing.pilot_blocks == PILOT_BLOCKS
    before = sizing.blocks
    for done in range(1, PILOT_BLOCKS):
        sizing.after_block(writer, done)
        assert sizing.blocks == before
    sizing.after_block(writer, PILOT_BLOCKS)
    writer.close("complete")
    expected = plan_blocks(Run.load(writer.folder), 0.05)
    assert sizing.blocks == PILOT_BLOCKS + expected.blocks
    told = sizing.told()
    assert (told["precision"], told["pilot_blocks"], told["planned_blocks"]) == (0.05, 5, expected.blocks)
    assert told["widest"] == expected.widest


def test_a_pilot_without_enough_items_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", warmup_blocks=1, blocks=0)
    with pytest.raises(NothingToPlan, match="enough items"):
        plan_blocks(run, 0.05)


def test_a_budget_ends_before_a_block_that_would_not_fit(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", {})
    sizing = Sizing(chosen(), None, 1e-9)
    assert not sizing.out_of_time(), "the first block always runs"
    sizing.after_block(writer, 1)
    assert sizing.out_of_time()
    assert sizing.warnings() == ["the time budget of 1e-09 s ended the run after 1 of 12 blocks"]
    roomy = Sizing(chosen(), None, 1e9)
    roomy.after_block(writer, 1)
    assert not roomy.out_of_time()
    writer.close("complete")


def test_the_spread_says_what_more_blocks_or_items_would_bring(tmp_path: Path) -> None:
    table = analysis.spread(make_run(tmp_path / "r")).set_index(["phase", "arm"])
    steady: Any = table.loc[("steady", "service")]
    # The recipe's laws: 15 % within a block, 10 % between blocks.
    assert steady["within_cv"] == pytest.approx(0.15, rel=0.15)
    assert steady["between_cv"] == pytest.approx(0.1, rel=0.6)
    assert steady["blocks"] == 12
    assert steady["items_per_block"] == 24
    assert steady["best_items_per_block"] >= 1
    batch: Any = table.loc[("steady", "batch")]
    assert batch["blocks_for_5_percent"] >= 10
