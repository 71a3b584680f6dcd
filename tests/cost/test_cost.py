"""Prices against AWS's published examples, and the arithmetic of billing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cost.book import PriceError, load_book
from harness.cost.fargate import GIB, SIZES, Size, smallest
from harness.cost.per_million import cost_per_million, fargate_usd, lambda_usd
from harness.placements.function.environment import billed
from tests.synthetic import RATE_PER_S, empty_run, make_run

BOOK = load_book()


@pytest.mark.parametrize(
    ("memory_mb", "seconds", "usd"), [(512, 0.2, 1.87), (1024, 0.2, 3.53), (1024, 1.0, 16.87)]
)
def test_lambda_per_million_as_published(memory_mb: int, seconds: float, usd: float) -> None:
    assert lambda_usd(memory_mb, seconds, BOOK) * 1e6 == pytest.approx(usd, rel=0.01)


def test_fargate_as_published() -> None:
    assert float(Size(0.5, 1).usd_per_hour(BOOK)) == pytest.approx(0.024685)
    assert fargate_usd(Size(0.25, 0.5), 1.0, BOOK) == pytest.approx(0.000206, rel=0.01)
    assert fargate_usd(Size(1, 2), 730 * 3600, BOOK) * 2 == pytest.approx(59.10 + 12.98, rel=0.01)


@given(st.floats(0.01, 32), st.floats(0.1, 244))
def test_the_smallest_size_holds_the_container_and_no_smaller_does(vcpu: float, memory_gb: float) -> None:
    fitting = [s for s in SIZES if s.vcpu >= vcpu - 0.01 and s.memory_gb >= memory_gb]
    if not fitting:
        with pytest.raises(ValueError, match="no Fargate size"):
            smallest(vcpu, memory_gb * GIB)
    else:
        assert smallest(vcpu, memory_gb * GIB) == min(fitting)


def test_half_a_vcpu_of_lambda_is_half_a_vcpu_of_fargate() -> None:
    assert smallest(885 / 1769, 885 * 2**20) == Size(0.5, 1)


@given(st.floats(0, 900), st.floats(0, 900))
def test_billing_rounds_up_to_a_millisecond_and_never_falls(one_s: float, two_s: float) -> None:
    low_s, high_s = sorted([one_s, two_s])
    assert low_s - 1e-9 <= billed(low_s) < low_s + 0.001 + 1e-9
    assert billed(low_s) <= billed(high_s)


@given(st.integers(128, 10_240), st.floats(0.001, 900), st.floats(0.001, 900))
def test_longer_costs_no_less(memory_mb: int, one_s: float, two_s: float) -> None:
    low_s, high_s = sorted([one_s, two_s])
    assert lambda_usd(memory_mb, low_s, BOOK) <= lambda_usd(memory_mb, high_s, BOOK)
    assert fargate_usd(Size(0.5, 1), low_s, BOOK) <= fargate_usd(Size(0.5, 1), high_s, BOOK)


def test_a_missing_price_or_region_names_what_there_is() -> None:
    with pytest.raises(PriceError, match=r"no price 'lunch'.*lambda_request"):
        BOOK.price("lunch")
    with pytest.raises(PriceError, match=r"'mars-1'.*us-east-1"):
        load_book("mars-1")


def test_the_cost_of_a_run_follows_from_its_rows(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    table: Any = cost_per_million(run, BOOK)
    assert set(table["arm"]) == {"function", "batch", "service"}, "the A/A duplicate is not priced"
    assert (table["usd_per_million"] > 0).all()
    assert (table["price_date"] == BOOK.date).all()
    rows: Any = run.attempts
    rows = rows[
        (rows["arm"] == "function")
        & (rows["phase"] == "steady")
        & (rows["outcome"] == "ok")
        & ~rows["warmup"]
    ]
    assert rows["billed_s"].notna().all()
    expected = rows["billed_s"].map(lambda s: lambda_usd(885, s, BOOK)).mean() * 1e6
    found = table[(table["arm"] == "function") & (table["phase"] == "steady")]["usd_per_million"].iloc[0]
    assert found == pytest.approx(expected)
    batch = table[(table["arm"] == "batch") & (table["phase"] == "drop")].set_index("basis")[
        "usd_per_million"
    ]
    # 24 items in 2 jobs, each billed for a minute at the least.
    assert batch["as run"] == pytest.approx(2 / 24 * fargate_usd(Size(0.5, 1), 60, BOOK) * 1e6, rel=0.01)
    assert batch["busy"] < batch["as run"]


def test_the_formula_can_be_checked_with_a_calculator(tmp_path: Path) -> None:
    table: Any = cost_per_million(make_run(tmp_path / "r"), BOOK)
    row = table[table["arm"] == "function"].iloc[0]
    text = row["formula"].replace("1,000,000", "1000000")
    for words in (" GB", " s billed", " items", " requests"):
        text = text.replace(words, "")
    assert eval(text.replace("x", "*")) == pytest.approx(row["usd_per_million"], rel=1e-3)


def test_an_empty_run_costs_nothing(tmp_path: Path) -> None:
    assert cost_per_million(empty_run(tmp_path / "r"), BOOK).empty


def test_a_failed_invocation_is_billed_all_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", failed_share=0.2)
    table: Any = cost_per_million(run, BOOK)
    rows: Any = run.attempts
    rows = rows[(rows["arm"] == "function") & (rows["phase"] == "steady") & ~rows["warmup"]]
    bill_usd = rows["billed_s"].map(lambda s: lambda_usd(885, s, BOOK)).sum()
    found = table[(table["arm"] == "function") & (table["phase"] == "steady")]["usd_per_million"].iloc[0]
    assert found == pytest.approx(bill_usd / (rows["outcome"] == "ok").sum() * 1e6)


def test_every_try_is_billed(tmp_path: Path) -> None:
    once = make_run(tmp_path / "once")
    again = once.attempts.assign(attempt=2)
    function = once.attempts["arm"] == "function"
    twice = replace(once, attempts=pd.concat([once.attempts, again[function]], ignore_index=True))
    prices: Any = [cost_per_million(run, BOOK).set_index(["arm", "phase", "basis"]) for run in (once, twice)]
    key = ("function", "steady", "as run")
    ratio = prices[1].loc[key, "usd_per_million"] / prices[0].loc[key, "usd_per_million"]
    assert ratio == pytest.approx(2)


def test_invalid_cells_are_not_priced(tmp_path: Path) -> None:
    blocks = tuple(range(13))
    assert cost_per_million(make_run(tmp_path / "r", late_blocks=blocks), BOOK).empty


def test_a_service_is_priced_at_the_rate_at_which_items_came(tmp_path: Path) -> None:
    table: Any = cost_per_million(make_run(tmp_path / "r"), BOOK)
    row = table[
        (table["arm"] == "service") & (table["phase"] == "steady") & (table["basis"] == "as run")
    ].iloc[0]
    tasks_usd = 2 * float(Size(0.5, 1).usd_per_hour(BOOK)) + float(BOOK.price("load_balancer_hour"))
    assert row["usd_per_million"] == pytest.approx(tasks_usd / (RATE_PER_S * 3600) * 1e6, rel=1e-3)


def test_a_size_that_aws_lacks_is_said_and_not_priced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    run.manifest["arms"]["service"]["limits"]["vcpu"] = 48
    table: Any = cost_per_million(run, BOOK)
    row = table[table["arm"] == "service"].iloc[0]
    assert row["label"] == "not priced"
    assert "no Fargate size has 48 vCPU" in row["formula"]
