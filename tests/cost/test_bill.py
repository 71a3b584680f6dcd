"""The bill of a run against sums over its rows, done another way."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.cost.bill import bill
from harness.cost.terms import Terms
from harness.runs import Run, RunWriter
from tests.cost.made import BOOK, TERMS
from tests.rows import an_attempt, an_event
from tests.synthetic import make_run
from tests.test_instances import make as make_instances

S = 1_000_000_000


def parts(run: Run, arm: str, terms: Terms = TERMS) -> dict[str, float]:
    table: Any = bill(run, terms)
    own = table[table["arm"] == arm]
    return dict(own.groupby("part")["usd"].sum(min_count=1))


def priced(key: str) -> float:
    return float(BOOK.price(key))


def test_a_function_is_billed_for_every_attempt_warm_up_and_failures_included(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", failed_share=0.1)
    rows: Any = run.attempts
    own = rows[rows["arm"] == "function"]
    found = parts(run, "function")
    assert found["requests"] == pytest.approx(len(own) * 2e-7)
    assert found["duration"] == pytest.approx(
        own["billed_s"].sum() * 885 / 1024 * priced("lambda_gb_second_x86")
    )
    assert found["store writes"] == pytest.approx((own["outcome"] == "ok").sum() * priced("s3_put"))


def test_a_slower_aws_bills_more_in_whole_milliseconds(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    rows: Any = run.attempts
    local_s = rows.loc[rows["arm"] == "function", "billed_s"].to_numpy()
    expected_s = sum(math.ceil(round(each * 1.5 * 1000, 6)) / 1000 for each in local_s)
    found = parts(run, "function", Terms(BOOK, 1.5))["duration"]
    assert found == pytest.approx(expected_s * 885 / 1024 * priced("lambda_gb_second_x86"))


def test_what_was_up_is_billed_though_no_item_reached_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    others = replace(run, attempts=run.attempts[run.attempts["arm"] != "service"])
    served, idle = parts(run, "service"), parts(others, "service")
    for part in ("vCPU", "memory", "public IPv4"):
        assert idle[part] == pytest.approx(served[part])
    assert idle["store reads"] == idle["rows"] == 0
    assert not parts(replace(others, events=run.events[run.events["arm"] != "service"]), "service")


def test_the_calibration_is_not_billed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    more = run.attempts.iloc[:50].assign(block=-1, phase="overhead")
    other = replace(run, attempts=pd.concat([run.attempts, more], ignore_index=True))
    assert parts(other, "function") == pytest.approx(parts(run, "function"))


def test_jobs_and_tasks_are_billed_a_minute_at_the_least(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    # 13 blocks (one of them warm-up) of 2 jobs in each of 2 phases, and of 2 tasks; all of them ran for seconds.
    assert parts(run, "batch")["vCPU"] == pytest.approx(
        13 * 4 * 60 * 0.5 / 3600 * priced("fargate_vcpu_hour_x86")
    )
    service = parts(run, "service")
    assert service["memory"] == pytest.approx(13 * 2 * 60 * 1.0 / 3600 * priced("fargate_gb_hour_x86"))
    assert service["load balancer"] == pytest.approx(priced("load_balancer_hour"), rel=0.01), "one begun hour"


def lived(folder: Path, seconds: list[float], arm: str = "service", **settings: Any) -> Run:
    """A run whose containers lived so long, one item each."""
    limits = {"vcpu": 1.0, "memory_bytes": 2 * 2**30, "cpu": "hard"}
    kind = settings.pop("kind", arm)
    manifest = {
        "arms": {arm: {"placement": kind, "duplicate_of": None, "parallel": 1, "limits": limits}},
        "scenario": {"phases": [], "placements": {arm: settings}},
    }
    writer = RunWriter(folder, manifest)
    for number, lived_s in enumerate(seconds):
        name = f"c{number}"
        writer.event(an_event(arm=arm, kind="container_started", container=name, at_ns=0))
        writer.event(an_event(arm=arm, kind="container_ended", container=name, at_ns=round(lived_s * S)))
        writer.attempt(an_attempt(arm=arm, placement=kind, container=name, sequence=number, billed_s=None))
    writer.close("complete")
    return Run.load(folder)


@pytest.mark.parametrize(
    ("lives_s", "billed_s"), [([1.0], 60), ([60.0], 60), ([61.5], 61.5), ([1.0, 100.0], 160)]
)
def test_fargate_bills_by_the_second_from_a_minute_on(
    tmp_path: Path, lives_s: list[float], billed_s: float
) -> None:
    found = parts(lived(tmp_path / "r", lives_s, "batch"), "batch")
    assert found["vCPU"] == pytest.approx(billed_s / 3600 * priced("fargate_vcpu_hour_x86"))
    assert found["memory"] == pytest.approx(billed_s / 3600 * 2 * priced("fargate_gb_hour_x86"))


def test_a_load_balancer_is_not_a_task(tmp_path: Path) -> None:
    run = lived(tmp_path / "r", [100.0, 100.0])
    events: Any = run.events
    is_balancer = (events["kind"] == "container_started") & (events["container"] == "c1")
    detail = np.where(is_balancer, '{"role": "load_balancer"}', events["detail"].astype(str))
    other = replace(run, events=events.assign(detail=detail))
    assert parts(run, "service")["vCPU"] == pytest.approx(200 / 3600 * priced("fargate_vcpu_hour_x86"))
    assert parts(other, "service")["vCPU"] == pytest.approx(100 / 3600 * priced("fargate_vcpu_hour_x86"))


def test_a_task_is_billed_at_its_own_size_where_that_is_more(tmp_path: Path) -> None:
    run = lived(tmp_path / "r", [100.0], task_vcpu=2.0, task_memory_mb=4096)
    assert parts(run, "service")["vCPU"] == pytest.approx(2 * 100 / 3600 * priced("fargate_vcpu_hour_x86"))


def test_a_load_balancer_s_begun_hours_are_whole(tmp_path: Path) -> None:
    run = lived(tmp_path / "r", [3601.0])
    assert parts(run, "service")["load balancer"] == pytest.approx(2 * priced("load_balancer_hour"), rel=1e-4)


def test_lightsail_bills_begun_hours_of_its_monthly_price(tmp_path: Path) -> None:
    run = lived(tmp_path / "r", [10.0, 3700.0], compute="LIGHTSAIL_CONTAINERS", bundle="nano")
    assert parts(run, "service")["bundles"] == pytest.approx(
        3 / 730 * priced("lightsail_container_nano_month")
    )
    assert "load balancer" not in parts(run, "service"), "it is part of the bundle"


def test_instances_are_billed_from_launch_to_end_idle_time_included(tmp_path: Path) -> None:
    run = make_instances(tmp_path / "r", 3.0)
    about = {
        "placement": "batch",
        "duplicate_of": None,
        "parallel": 1,
        "limits": {"vcpu": 1.0, "memory_bytes": 2**30},
    }
    run.manifest["arms"] = {"ec2": about}
    run.manifest["scenario"]["placements"] = {"ec2": {"compute": "EC2"}}
    table: Any = bill(run, TERMS)
    assert "no price 'ec2_large'" in table["formula"].iloc[0], "what has no price says so"
    named = run.events.assign(detail=run.events["detail"].astype(str).str.replace('"large"', '"m5.large"'))
    found = parts(replace(run, events=named), "ec2")
    assert found["instances"] == pytest.approx(60 / 3600 * priced("ec2_m5_large")), (
        "13 s, a minute at the least"
    )
    longer: Any = bill(replace(run, events=named), Terms(BOOK, 10.0))
    instances = longer[longer["part"] == "instances"].iloc[0]
    assert instances["quantity"] == pytest.approx(130 / 3600)
    assert instances["label"] == "priced on modelled", "a launch was assumed"


def test_temporary_disk_and_provisioned_concurrency_are_parts_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    plain = parts(run, "function")
    run.manifest["scenario"]["placements"] = {"function": {"tmp_mb": 1536, "provisioned_concurrency": 2}}
    table: Any = bill(run, Terms(BOOK))
    own = table[table["arm"] == "function"].set_index("part")
    rows: Any = run.attempts
    billed_s = rows.loc[rows["arm"] == "function", "billed_s"].sum()
    assert own.loc["temporary disk", "usd"] == pytest.approx(
        billed_s * 1.0 * priced("lambda_storage_gb_second")
    )
    assert own.loc["duration", "usd"] < plain["duration"], "in use it costs less a second"
    assert own.loc["provisioned concurrency", "usd"] > 0
    lambda_parts = ["requests", "duration", "temporary disk", "provisioned concurrency"]
    free = own.loc[lambda_parts, "usd_free_tier"] == own.loc[lambda_parts, "usd"]
    assert free.all(), "the free tier does not apply to it"


def test_the_free_tier_makes_a_small_function_free(tmp_path: Path) -> None:
    table: Any = bill(make_run(tmp_path / "r"), TERMS)
    own = table[table["arm"] == "function"].set_index("part")
    assert list(own.loc[["requests", "duration"], "usd_free_tier"]) == [0.0, 0.0]
    assert (table["usd_free_tier"] <= table["usd"]).all()
    assert (table["usd_free_tier"] >= 0).all()


def test_the_formula_gives_the_dollars(tmp_path: Path) -> None:
    table: Any = bill(make_run(tmp_path / "r"), TERMS)
    for row in table.itertuples():
        sums = row.formula.rpartition("; ")[2].replace(",", "").replace("x", "*")
        assert eval(sums) == pytest.approx(row.usd, rel=1e-5), row.part
