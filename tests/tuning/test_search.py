"""The search finds the best of unimodal sizes with few of them measured, also when it measures them in rounds."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.base import EngineError
from harness.rows import Outcome
from harness.runs import Run
from harness.tuning.choice import best, choices
from harness.tuning.picture import measured_arms, picture_of
from harness.tuning.question import KEY, Question
from harness.tuning.rounds import SearchSizing, SweepSizing
from harness.tuning.search import fibonacci_search, first_pair
from harness.tuning.sentences import sentences
from harness.tuning.sizes import parse_memory, parse_vcpu
from harness.tuning.sweep import SizedArm, Sweep, sweep
from tests.tuning.made import Law, begin, functions_only, scenario, write_block

TWELVE = "128,192,256,384,512,768,1024,1536,1769,2048,3008,4096"


@st.composite
def valleys(draw: Any) -> list[float]:
    """Strictly falling, then strictly rising."""
    count = draw(st.integers(1, 60))
    bottom = draw(st.integers(0, count - 1))
    steps = draw(st.lists(st.floats(1e-6, 1e6), min_size=count, max_size=count))
    left = np.cumsum(steps[:bottom])[::-1]
    right = np.cumsum(steps[bottom + 1 :])
    return [*left, 0.0, *right]


def search(values: list[float]) -> tuple[int, list[tuple[int, int]]]:
    """What a search of these values finds, and the pairs that it compared."""
    steps, pairs = fibonacci_search(len(values)), []
    try:
        pair = next(steps)
        while True:
            pairs.append(pair)
            pair = steps.send(values[pair[0]] < values[pair[1]])
    except StopIteration as found:
        return int(found.value), pairs


@given(valleys())
def test_it_finds_the_bottom_of_every_valley(values: list[float]) -> None:
    found, pairs = search(values)
    assert found == int(np.argmin(values))
    measured = {index for pair in pairs for index in pair}
    assert found in measured or len(values) == 1
    assert all(0 <= index < len(values) for index in measured)
    for before, after in itertools.pairwise(pairs):
        assert len(set(before) & set(after)) == 1, "one size of each pair is known from the pair before"


@given(valleys())
def test_it_measures_no_more_than_fibonacci_allows(values: list[float]) -> None:
    _, pairs = search(values)
    measured = len({index for pair in pairs for index in pair})
    fibonacci = [1, 1]
    while fibonacci[-1] < len(values) + 1:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    # k measurements tell the best of F(k + 2) - 1, with F(1) = F(2) = 1.
    assert measured <= max(1, len(fibonacci) - 2)
    if len(values) >= 5:
        assert measured < len(values), "a sweep would measure all"


def test_no_sizes_cannot_be_searched() -> None:
    with pytest.raises(ValueError, match="count: got 0"):
        next(fibonacci_search(0))
    assert first_pair(1) == (0, 0)
    assert first_pair(6) == (2, 4)


def rounds(folder: Path, made: Sweep, question: Question, law: Law, sizing: SweepSizing | None = None) -> Run:
    """What a session does with a search, with made-up rows in place of containers."""
    sizing = sizing or SearchSizing(made, question)
    writer = begin(folder, made, sizing.manifest())
    block = 0
    while block < sizing.blocks:
        names = sizing.chosen()
        assert names is not None
        write_block(writer, made, law, block, sorted(names))
        block += 1
        sizing.after_block(writer, block)
    writer.close("complete")
    return Run.load(folder)


def valley_s(best_mb: int) -> Any:
    """Work whose cost (time x memory) has its bottom at this size: the time falls steeply before, and hardly after."""

    def time_s(arm: SizedArm) -> float:
        ratio = arm.size.memory_mb / best_mb
        return float(0.2 * ratio ** (-1.6 if ratio < 1 else -0.3))

    return time_s


@pytest.mark.parametrize("best_mb", [128, 512, 4096])
def test_a_search_for_the_cheapest_finds_what_a_sweep_would_with_fewer_sizes(
    best_mb: int, tmp_path: Path
) -> None:
    made = functions_only(TWELVE, blocks=10)
    run = rounds(tmp_path / "r", made, Question("steady", weight=1.0), Law(valley_s(best_mb)))
    told = run.manifest[KEY]["search"]
    assert told["best"] == {"function": f"function_{best_mb}mb"}
    measured = measured_arms(run) - {f"{made.scenario.aa}-aa"}
    assert len(measured) <= 5
    assert set(told["skipped"]["function"]) == {arm.name for arm in made.arms} - measured
    found = picture_of(run)
    assert found is not None
    table = choices(found).set_index("goal")
    for goal in ("cost", "balanced"):
        assert table.loc[goal, "arm"] == f"function_{best_mb}mb"
        assert table.loc[goal, "searched"]
    assert any(f"skipped {12 - len(measured)}" in text for text in sentences(found))


def test_both_sizes_of_a_step_were_measured_in_the_same_blocks(tmp_path: Path) -> None:
    made = functions_only(TWELVE, blocks=10)
    run = rounds(tmp_path / "r", made, Question("steady", weight=1.0), Law(valley_s(512), block_spread=0.6))
    steps = run.manifest[KEY]["search"]["steps"]
    assert [step["blocks"] for step in steps] == [10] * len(steps)
    assert run.attempts["block"].nunique() == 10 * len(steps)
    # Blocks differ by far more than sizes do, which would mislead whoever compared one round with another.
    assert run.manifest[KEY]["search"]["best"] == {"function": "function_512mb"}


def test_a_balanced_search_measures_both_ends_and_agrees_with_the_sweep(tmp_path: Path) -> None:
    made = functions_only(TWELVE, blocks=10)
    law = Law(lambda arm: 0.02 + 0.1 / min(arm.size.vcpu, 1), block_spread=0.02, cold_s=0.0)
    run = rounds(tmp_path / "r", made, Question("steady"), law)
    assert {"function_128mb", "function_4096mb"} <= measured_arms(run)
    assert len(measured_arms(run)) < 12
    usd = {arm.name: arm.size.memory_mb * law.time_s(arm) for arm in made.arms}
    time_s = {arm.name: law.time_s(arm) for arm in made.arms}
    score = {name: usd[name] / max(usd.values()) + time_s[name] / max(time_s.values()) for name in usd}
    assert run.manifest[KEY]["search"]["best"]["function"] == min(score, key=score.__getitem__)


def test_sizes_that_fail_lead_to_larger_ones(tmp_path: Path) -> None:
    made = functions_only(TWELVE, blocks=10)

    def outcome(arm: SizedArm) -> Outcome:
        return Outcome.OUT_OF_MEMORY if arm.size.memory_mb < 2048 else Outcome.OK

    law = Law(lambda arm: 0.1, outcome=outcome)
    run = rounds(tmp_path / "r", made, Question("steady", weight=1.0), law)
    assert run.manifest[KEY]["search"]["best"] == {"function": "function_2048mb"}
    rows = run.attempts.assign(arm=run.attempts["arm"].astype(str))
    tried = rows[rows["outcome"] != "ok"].groupby("arm")["block"].nunique()
    assert (tried == 1).all(), "a size at which nothing works is not tried again"
    assert run.manifest[KEY]["given_up"].keys() >= set(tried.index)


def test_a_step_within_the_noise_is_told_and_no_claim(tmp_path: Path) -> None:
    made = functions_only(TWELVE, blocks=10)
    run = rounds(tmp_path / "r", made, Question("steady", weight=0.0), Law(lambda arm: 0.1))
    steps = run.manifest[KEY]["search"]["steps"]
    assert all(step["reason"] for step in steps), "identical sizes are not told apart"
    found = picture_of(run)
    assert found is not None
    told = sentences(found)
    assert any("so a size that it skipped may be as good" in text for text in told)
    few = functions_only(TWELVE, blocks=2)
    hasty = rounds(tmp_path / "few", few, Question("steady", weight=1.0), Law(valley_s(512)))
    assert all("a claim takes 10" in step["reason"] for step in hasty.manifest[KEY]["search"]["steps"])


def test_a_round_of_which_nothing_can_be_used_is_repeated_but_not_for_ever(tmp_path: Path) -> None:
    made = functions_only(TWELVE, blocks=2)
    asked = Question("steady", weight=1.0)
    run = rounds(tmp_path / "once", made, asked, Law(valley_s(512), late_blocks=(0, 1)))
    steps = run.manifest[KEY]["search"]["steps"]
    assert steps[0]["blocks"] == 2
    assert run.attempts["block"].nunique() == 2 * (len(steps) + 1)
    assert run.manifest[KEY]["search"]["best"] == {"function": "function_512mb"}
    never = rounds(tmp_path / "never", made, asked, Law(valley_s(512), late_blocks=tuple(range(100))))
    steps = never.manifest[KEY]["search"]["steps"]
    assert all("no block in which both" in step["reason"] for step in steps)
    assert never.attempts["block"].nunique() == 2 * 3 * len(steps)


def test_placements_are_searched_at_once_and_few_sizes_are_all_measured(tmp_path: Path) -> None:
    made = sweep(scenario(blocks=3), parse_memory("128,256,512,1024,1769,3008"), parse_vcpu("0.5,1"))
    run = rounds(
        tmp_path / "r", made, Question("steady", weight=1.0), Law(lambda arm: 0.1 / min(arm.size.vcpu, 1))
    )
    told = run.manifest[KEY]["search"]
    assert set(told["skipped"]) == {"function"}
    rows = run.attempts.assign(arm=run.attempts["arm"].astype(str))
    blocks = rows.groupby("arm")["block"].nunique()
    assert blocks["service_1vcpu_2048mb"] == 3
    assert len([arm for arm in blocks.index if arm.startswith(("batch", "service"))]) == 4


def test_a_size_that_cannot_be_run_is_a_failing_one(tmp_path: Path) -> None:
    made = functions_only("128,512", blocks=3)
    sizing = SweepSizing(made, Question("steady"))
    sizing.could_not_run("function_128mb", EngineError("not healthy within 30 s"))
    assert sizing.chosen() == {"function_512mb", "function_512mb-aa"}
    run = rounds(tmp_path / "r", made, Question("steady"), Law(lambda arm: 0.1), sizing)
    assert run.manifest[KEY]["could_not_run"] == {"function_128mb": "not healthy within 30 s"}


def test_the_best_of_nothing_is_nothing(tmp_path: Path) -> None:
    made = functions_only("512", blocks=2)
    found = picture_of(rounds(tmp_path / "r", made, Question("steady"), Law(lambda arm: 0.1)))
    assert found is not None
    assert best(found.figures, "cost", 0.5, []) is None
    assert best(found.figures, "balanced", 0.5, ["function_512mb"]) == "function_512mb"
    assert math.isnan(found.figures.value("balanced", 0.5, []).to_numpy()[0, 0])
