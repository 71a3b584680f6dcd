"""Cost per million items, from rows that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cost.fargate import smallest
from harness.cost.model import cost_model
from harness.cost.per_million import cost_per_million
from harness.placements.function.environment import billed
from harness.runs import Run
from harness.sizes import FARGATE, Size
from tests.cost.made import BOOK
from tests.synthetic import RATE_PER_S, empty_run, make_run

TASK_USD = 0.5 * float(BOOK.price("fargate_vcpu_hour_x86")) + float(BOOK.price("fargate_gb_hour_x86"))
ADDRESS_USD = float(BOOK.price("public_ipv4_hour"))
LOGS_USD = 330 / 2**30 * float(BOOK.price("logs_ingest_gb"))


def table_of(run: Run) -> Any:
    return cost_per_million(cost_model(run)).set_index(["arm", "phase", "basis"])


def invocation_usd(billed_s: float) -> float:
    compute = 885 / 1024 * billed_s * float(BOOK.price("lambda_gb_second_x86"))
    return float(BOOK.price("lambda_request")) + compute + LOGS_USD


def invocations(run: Run) -> Any:
    rows: Any = run.attempts
    return rows[(rows["arm"] == "function") & (rows["phase"] == "steady") & ~rows["warmup"]]


@given(st.floats(0.01, 32), st.floats(100, 250_000))
def test_the_smallest_size_holds_the_container_and_no_smaller_does(vcpu: float, memory_mb: float) -> None:
    fitting = [s for s in FARGATE if s.vcpu >= vcpu - 0.01 and s.memory_mb >= memory_mb]
    if not fitting:
        with pytest.raises(ValueError, match="no Fargate size"):
            smallest(vcpu, memory_mb)
    else:
        assert smallest(vcpu, memory_mb) == min(fitting)


def test_half_a_vcpu_of_lambda_is_half_a_vcpu_of_fargate() -> None:
    assert smallest(885 / 1769, 885) == Size(0.5, 1024)


@given(st.floats(0, 900), st.floats(0, 900))
def test_billing_rounds_up_to_a_millisecond_and_never_falls(one_s: float, two_s: float) -> None:
    low_s, high_s = sorted([one_s, two_s])
    assert low_s - 1e-9 <= billed(low_s) < low_s + 0.001 + 1e-9
    assert billed(low_s) <= billed(high_s)


def test_the_cost_of_a_run_follows_from_its_rows(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    table = table_of(run)
    assert set(table.index.get_level_values("arm")) == {"function", "batch", "service"}, "no A/A duplicate"
    assert (table["usd_per_million"] > 0).all()
    assert (table["price_date"] == BOOK.date).all()
    expected = invocations(run)["billed_s"].map(invocation_usd).mean() * 1e6
    assert table.loc[("function", "steady", "as run"), "usd_per_million"] == pytest.approx(expected)
    # 24 items in 2 jobs, each billed for a minute at the least.
    jobs_usd = 2 * 60 / 3600 * (TASK_USD + ADDRESS_USD)
    batch = table.loc[("batch", "drop", "as run"), "usd_per_million"]
    assert batch == pytest.approx(jobs_usd / 24 * 1e6, rel=1e-6)
    assert table.loc[("batch", "drop", "busy"), "usd_per_million"] < batch


def test_the_formula_can_be_checked_with_a_calculator(tmp_path: Path) -> None:
    for key, row in table_of(make_run(tmp_path / "r")).iterrows():
        text = row["formula"].replace("1,000,000", "1000000").replace("$", "")
        for words in (
            "s billed",
            "GB",
            "items/s",
            "items",
            "requests",
            "logs",
            "tasks",
            "an hour",
            "for load",
        ):
            text = text.replace(words, "")
        text = text.replace("load balancer with two addresses", "").replace("s of handlers alone", "")
        text = text.replace("s of 26 jobs, 60 s each at the least", "").replace(
            "s of 24 jobs, 60 s each at the least", ""
        )
        text = text.replace("(0.5 vCPU with 1024 MB on Fargate, with an address)", "")
        assert eval(text.replace("x", "*")) == pytest.approx(row["usd_per_million"], rel=1e-3), key


def test_an_empty_run_costs_nothing(tmp_path: Path) -> None:
    assert table_of(empty_run(tmp_path / "r")).empty


def test_a_failed_invocation_is_billed_all_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", failed_share=0.2)
    rows = invocations(run)
    bill_usd = rows["billed_s"].map(invocation_usd).sum()
    found = table_of(run).loc[("function", "steady", "as run"), "usd_per_million"]
    assert found == pytest.approx(bill_usd / (rows["outcome"] == "ok").sum() * 1e6)


def test_every_try_is_billed(tmp_path: Path) -> None:
    once = make_run(tmp_path / "once")
    again = once.attempts.assign(attempt=2)
    function = once.attempts["arm"] == "function"
    twice = replace(once, attempts=pd.concat([once.attempts, again[function]], ignore_index=True))
    prices = [table_of(run).loc[("function", "steady", "as run"), "usd_per_million"] for run in (once, twice)]
    assert prices[1] / prices[0] == pytest.approx(2)


def test_invalid_cells_are_not_priced(tmp_path: Path) -> None:
    assert table_of(make_run(tmp_path / "r", late_blocks=tuple(range(13)))).empty


def test_a_service_is_priced_at_the_rate_at_which_items_came(tmp_path: Path) -> None:
    row = table_of(make_run(tmp_path / "r")).loc[("service", "steady", "as run")]
    hour_usd = 2 * (TASK_USD + ADDRESS_USD) + float(BOOK.price("load_balancer_hour")) + 2 * ADDRESS_USD
    units_usd = float(BOOK.price("load_balancer_lcu_hour")) / 25 / 3600
    expected = (hour_usd / (RATE_PER_S * 3600) + units_usd) * 1e6
    assert row["usd_per_million"] == pytest.approx(expected, rel=1e-3)


def test_a_size_that_aws_lacks_is_said_and_not_priced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    run.manifest["arms"]["service"]["limits"]["vcpu"] = 48
    model = cost_model(run)
    row = table_of(run).loc[("service", "steady", "as run")]
    assert row["label"] == "not priced"
    assert "no Fargate size has 48 vCPU" in row["formula"]
    assert {each.name for each in model.options} == {"function", "batch"}
    assert "no Fargate size" in model.unpriced["service"]
    assert math.isnan(row["usd_per_million"])


def test_chosen_blocks_alone_are_priced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    rows = invocations(run)
    table: Any = cost_per_million(cost_model(run), [3, 4])
    found = table[(table["arm"] == "function") & (table["phase"] == "steady")]["usd_per_million"].iloc[0]
    expected = rows[rows["block"].isin([3, 4])]["billed_s"].map(invocation_usd).mean() * 1e6
    assert found == pytest.approx(expected)
