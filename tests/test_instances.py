"""Instances from events that are known: how long they were up and idle, and what of a wait was assumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import load
from harness.analysis.containers import most_at_once
from harness.analysis.instances import assumed
from harness.report.contents import Contents
from harness.runs import Run, RunWriter
from tests.rows import an_attempt, an_event

S = 1_000_000_000
ABOUT = {"instance": "i-1", "type": "large", "compute": "EC2", "vcpu": 2.0, "memory_mb": 4096}


def make(folder: Path, delay_s: float) -> Run:
    writer = RunWriter(folder, {"scenario": {"phases": [{"name": "steady"}]}})
    for kind, at_s in (("launching", 10), ("ready", 13), ("ended", 23)):
        detail = json.dumps(ABOUT | {"assumed_launch_s": delay_s})
        writer.event(an_event(kind=f"instance_{kind}", arm="ec2", at_ns=at_s * S, detail=detail))
    for container, held_s, sent_s, done_s in (("a", 5.0, 9, 18), ("b", 3.0, 20, 22)):
        detail = json.dumps({"job": container, "instance": "i-1", "vcpu": 1.0})
        writer.event(
            an_event(kind="job_placed", arm="ec2", container=container, duration_s=held_s, detail=detail)
        )
        writer.attempt(
            an_attempt(
                arm="ec2", placement="batch", container=container, due_ns=sent_s * S, sent_ns=sent_s * S,
                done_ns=done_s * S, latency_s=float(done_s - sent_s), sequence=sent_s, billed_s=None, duration_s=None,
            )
        )  # fmt: skip
    events = {"first_due_ns": 9 * S, "planned": 2, "generator_cpu": 0.0, "steal": 0.0, "foreign": 0.0}
    writer.event(an_event(kind="phase_ended", arm="ec2", phase="steady", detail=json.dumps(events)))
    writer.close("complete")
    return load(folder)


def test_an_instance_is_up_from_ready_to_ended_and_idle_where_no_job_holds_it(tmp_path: Path) -> None:
    (row,) = make(tmp_path / "r", 3.0).instances().to_dict("records")
    assert (row["instance"], row["up_s"], row["busy_vcpu_s"]) == ("i-1", 10.0, 8.0)
    assert row["idle_share"] == pytest.approx(1 - 8 / 20)


def test_the_assumed_part_of_a_wait_is_told_apart(tmp_path: Path) -> None:
    run = make(tmp_path / "r", 3.0)
    table: Any = assumed(run)
    (row,) = table.to_dict("records")
    # The first item waited from 10 to 13 for the launch, the second found it warm.
    assert (row["arm"], row["items"]) == ("ec2", 2)
    assert row["assumed_mean_s"] == pytest.approx(1.5)
    assert row["latency_p50_s"] == pytest.approx((9 + 2) / 2)
    assert row["without_p50_s"] == pytest.approx((6 + 2) / 2)
    assert any("ec2: latencies include launch delays" in told for told in Contents(run).banners())


def test_nothing_is_told_where_nothing_was_assumed(tmp_path: Path) -> None:
    assert assumed(make(tmp_path / "r", 0.0)).empty
    RunWriter(tmp_path / "none", {}).close("complete")
    assert load(tmp_path / "none").instances().empty
    assert assumed(load(tmp_path / "none")).empty


def test_how_many_containers_really_ran_at_once(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", {})
    # The second begins as the first ends; the fourth is another arm's.
    for arm, container, begun_s, ended_s in (
        ("a", "1", 0, 5),
        ("a", "2", 5, 9),
        ("a", "3", 6, 7),
        ("b", "4", 0, 9),
    ):
        for kind, at_s in (("started", begun_s), ("ended", ended_s)):
            writer.event(an_event(kind=f"container_{kind}", arm=arm, container=container, at_ns=at_s * S))
    writer.close("complete")
    assert most_at_once(load(tmp_path / "r").events) == {"a": 2, "b": 1}
