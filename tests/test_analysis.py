from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import analysis
from harness.analysis.comparison import NO_DIFFERENCE, TOO_FEW
from harness.runs import Run
from tests.synthetic import MEDIAN_S, empty_run, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r", failed_share=0.02)


def test_every_planned_item_is_counted_once(run: Run) -> None:
    table: Any = analysis.summarise(run)
    assert set(table["arm"]) == {"function", "batch", "service", "function-aa"}
    assert (table["planned"] == table["ok"] + table["failed"] + table["dropped"]).all()
    assert (table["planned"] == 12 * 24).all()
    assert table["failed"].sum() > 0
    assert analysis.outcomes(run)["attempts"].sum() == len(run.attempts)


def test_percentiles_are_those_of_the_good_rows(run: Run) -> None:
    row: Any = analysis.summarise(run).set_index(["arm", "phase"]).loc[("service", "steady")]
    rows: Any = run.attempts
    rows = rows[
        (rows["arm"] == "service") & (rows["phase"] == "steady") & (rows["outcome"] == "ok") & ~rows["warmup"]
    ]
    assert row["latency_p50_s"] == pytest.approx(rows["latency_s"].median(), rel=0.02)
    assert row["latency_p50_s_low"] <= row["latency_p50_s"] <= row["latency_p50_s_high"]
    assert row["latency_mean_s"] == pytest.approx(rows["latency_s"].mean())
    assert np.isnan(row["latency_p99_s"]), "288 items are too few for a 99th percentile"
    parts = ["queue", "create", "start", "init", "fetch", "work", "store", "answer", "other"]
    assert sum(row[f"{part}_mean_s"] for part in parts) == pytest.approx(row["latency_mean_s"])


def test_a_known_ratio_is_found_and_identical_arms_are_not_told_apart(run: Run) -> None:
    table: Any = analysis.compare(run)
    steady: Any = table[(table["phase"] == "steady") & (table["metric"] == "latency_p50_s")].set_index("arm")
    assert steady.loc["service", "ratio"] == pytest.approx(
        MEDIAN_S["service"] / MEDIAN_S["function"], rel=0.1
    )
    assert steady.loc["service", "verdict"] == "faster"
    assert steady.loc["batch", "verdict"] == "slower"
    assert steady.loc["function-aa", "verdict"] == NO_DIFFERENCE
    assert (
        steady.loc["service", "ratio_low"]
        < steady.loc["service", "ratio"]
        < steady.loc["service", "ratio_high"]
    )


def test_few_blocks_make_no_claim(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=5)
    assert set(analysis.compare(run)["verdict"]) == {TOO_FEW}
    assert "no claim yet" in " ".join(analysis.sentences(run))


def test_too_few_items_for_a_median_name_no_winner_and_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=1, items=4, aa=None)
    first = analysis.sentences(run)[0]
    assert first == (
        "Phase steady: too few items were done for a median, which takes 6: "
        "4 by function, 4 by batch, 4 by service."
    )


def test_an_arm_with_too_few_items_for_a_median_is_told_after_the_others(run: Run) -> None:
    few = (run.attempts["arm"] == "service") & ((run.attempts["block"] > 2) | (run.attempts["sequence"] > 1))
    found = analysis.sentences(replace(run, attempts=run.attempts[~few.to_numpy()]))[0]
    assert found.startswith("Phase steady: the median item was done in ") and " by function; " in found
    assert found.endswith("; service did 4 items, and a median takes 6.")


def test_a_ratio_of_one_block_has_no_interval(tmp_path: Path) -> None:
    told = " ".join(analysis.sentences(make_run(tmp_path / "r", blocks=1)))
    assert "times as long (1 block), which is no claim yet: 1 valid block, and a claim takes 10" in told
    assert "- to -" not in told


def test_without_identical_arms_nothing_is_claimed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", aa=None)
    assert set(analysis.compare(run)["verdict"]) == {NO_DIFFERENCE}
    assert "noise floor is unknown" in " ".join(analysis.sentences(run))


def test_a_late_driver_spoils_its_block_and_the_report_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", late_blocks=(3,))
    checked: Any = analysis.validity(run)
    assert set(checked[~checked["valid"]]["block"]) == {3}
    assert (analysis.summarise(run)["blocks"] == 11).all()
    assert (analysis.summarise(run)["planned_excluded"] == 24).all()
    assert "left out" in " ".join(analysis.sentences(run))


def test_cold_and_warm_are_two_populations(run: Run) -> None:
    table: Any = analysis.cold_and_warm(run)
    function: Any = table[(table["arm"] == "function") & (table["phase"] == "steady")].set_index("cold")
    assert function.loc[True, "latency_p50_s"] > function.loc[False, "latency_p50_s"] + 0.4
    assert set(table[table["arm"] == "service"]["cold"]) == {False}
    assert set(table[table["arm"] == "batch"]["cold"]) == {True}


def test_the_verdict_comes_first_and_names_the_quickest(run: Run) -> None:
    first = analysis.sentences(run)[0]
    assert first.startswith("Phase steady")
    assert "by service" in first
    assert "12 blocks" in first


def test_the_harness_tells_its_own_cost_last(run: Run) -> None:
    last = analysis.sentences(run)[-1]
    assert last.startswith("The harness itself used ")
    assert "sampler" in last


def test_the_calibration_is_kept_apart_and_told(tmp_path: Path) -> None:
    made = make_run(tmp_path / "r", blocks=2)
    rows = made.attempts.iloc[:20].assign(
        block=-1, warmup=True, phase="overhead", outcome="ok", arm="service", cold=False, service_s=0.050,
        handler_s=0.045,
    )  # fmt: skip
    with_rows = replace(made, attempts=pd.concat([rows, made.attempts], ignore_index=True))
    assert analysis.phases(with_rows) == analysis.phases(made)
    pd.testing.assert_frame_equal(analysis.summarise(with_rows), analysis.summarise(made))
    row = analysis.overhead(with_rows).iloc[0]
    assert (row["arm"], row["start"], row["items"]) == ("service", "warm", 20)
    assert row["overhead_p50_s"] == pytest.approx(0.005, rel=1e-4)
    assert "took 5.00 ms by service (warm)" in analysis.sentences(with_rows)[-1]
    assert set(analysis.outcomes(with_rows)["population"]) >= {"calibration", "measured"}


def test_an_empty_run_is_reported_and_not_a_crash(tmp_path: Path) -> None:
    run = empty_run(tmp_path / "r")
    assert analysis.summarise(run).empty
    assert analysis.compare(run).empty
    assert analysis.sentences(run) == ["No item was finished, so there is nothing to compare."]
