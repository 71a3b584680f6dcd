"""Verdicts on run folders whose medians, failures and costs are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness import analysis
from harness.judgement import judge, overall
from harness.objectives import Objective, objectives_of
from harness.runs import Run
from tests.synthetic import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r", failed_share=0.05)


def the_row(run: Run, expect: str, arm: str = "service", phase: str = "steady") -> Any:
    table = judge(run, [Objective(expect=expect, placement=arm, phase=phase)])
    assert len(table) == 1
    return table.iloc[0]


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ("latency_p50_s < 0.2", "met"),
        ("latency_p50_s < 0.02", "missed"),
        ("latency_p50_s > 0.02", "met"),
        ("latency_p90_s < 0.2", "met"),
        ("error_rate < 0.2", "met"),
        ("error_rate < 0.001", "missed"),
        ("latency_mean_s < 0.2", "met"),
        ("latency_mean_s < 0.01", "missed"),
        ("cold_fraction < 0.5", "met"),
        ("cpu_s_per_item < 10", "met"),
        ("throughput_items_per_s > 1", "met"),
        ("throughput_items_per_s > 100", "missed"),
        ("cost_usd_per_million < 1000", "met"),
        ("cost_usd_per_million < 0.001", "missed"),
        ("memory_peak_bytes < 1e9", "met"),
        ("memory_peak_bytes < 1000", "missed"),
    ],
)
def test_figures_far_from_the_bound_are_met_or_missed(run: Run, expect: str, verdict: str) -> None:
    row = the_row(run, expect)
    assert row["verdict"] == verdict
    assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.parametrize("figure", ["latency_p50_s", "error_rate", "latency_mean_s", "cost_usd_per_million"])
def test_a_bound_within_the_interval_is_undecided(run: Run, figure: str) -> None:
    known = the_row(run, f"{figure} < 0.9")
    assert known["low"] < known["high"]
    row = the_row(run, f"{figure} < {known['value']}")
    assert row["verdict"] == "undecided"
    assert "within the interval" in row["reason"]


def test_an_objective_without_data_is_missed_and_says_why(run: Run) -> None:
    row = the_row(run, "latency_p99.9_s < 1000")
    assert row["verdict"] == "missed"
    assert "p99.9 takes 3688 items" in row["reason"]
    nobody = replace(run, attempts=run.attempts[run.attempts["arm"] != "service"])
    assert the_row(nobody, "error_rate < 0.9")["verdict"] == "missed"
    assert "no item was planned" in the_row(nobody, "error_rate < 0.9")["reason"]


def test_where_nothing_was_finished_only_the_errors_are_known(tmp_path: Path) -> None:
    failed = make_run(tmp_path / "r", failed_share=1.0, blocks=3)
    assert the_row(failed, "latency_mean_s < 100")["reason"] == "no item was finished"
    row = the_row(failed, "error_rate < 0.5")
    assert (row["verdict"], row["value"]) == ("missed", 1.0)


def test_a_single_block_has_no_interval_for_a_mean(tmp_path: Path) -> None:
    single = make_run(tmp_path / "r", blocks=1, items=48)
    row = the_row(single, "latency_mean_s < 100")
    assert (row["verdict"], row["reason"]) == ("undecided", "one block has no interval")
    assert the_row(single, "latency_p50_s < 100")["verdict"] == "met"


def test_an_objective_is_demanded_of_each_placement_and_phase_but_not_of_the_duplicate(run: Run) -> None:
    table = judge(run, [Objective(expect="error_rate < 0.5")])
    assert sorted(zip(table["arm"], table["phase"], strict=True)) == [
        (arm, phase) for arm in ("batch", "function", "service") for phase in ("drop", "steady")
    ]
    assert set(judge(run, [Objective(expect="error_rate < 0.5", phase="drop")])["phase"]) == {"drop"}


def test_warm_up_and_invalid_cells_do_not_count(tmp_path: Path) -> None:
    late = make_run(tmp_path / "r", blocks=4, late_blocks=(1,), warmup_blocks=1)
    row = the_row(late, "error_rate < 0.5")
    assert analysis.validity(late)["valid"].sum() < len(analysis.validity(late))
    valid: Any = analysis.summarise(late).set_index(["arm", "phase"]).loc[("service", "steady")]
    assert row["value"] == valid["error_rate"] == 0
    # Clopper-Pearson: three blocks of 24 items without a failure.
    assert row["high"] == pytest.approx(1 - 0.025 ** (1 / 72))


def test_the_scenario_as_run_carries_its_objectives(run: Run) -> None:
    scenario = run.manifest["scenario"] | {
        "objectives": [{"expect": "error_rate < 0.5", "placement": "batch"}]
    }
    asked = replace(run, manifest=run.manifest | {"scenario": scenario})
    assert objectives_of(asked.manifest) == [Objective(expect="error_rate < 0.5", placement="batch")]
    assert set(judge(asked)["arm"]) == {"batch"}
    assert judge(run).empty


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([], "none"),
        (["met"], "met"),
        (["met", "undecided"], "undecided"),
        (["undecided", "missed", "met"], "missed"),
    ],
)
def test_the_worst_verdict_is_the_runs(verdicts: list[str], worst: str) -> None:
    assert overall(pd.DataFrame({"verdict": pd.Series(verdicts, dtype=str)})) == worst
