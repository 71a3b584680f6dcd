"""What services did, and what is used while nothing is to be done: from rows whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.analysis.idle import idle
from harness.analysis.services import service_log
from harness.report.contents import Contents
from harness.report.service import service_tables
from harness.runs import Run
from tests.synthetic import make_run

S = 1_000_000_000


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", blocks=1)


def with_rows(run: Run, table: str, rows: list[dict[str, Any]]) -> Run:
    """The run with these rows in place of a table's own."""
    frame = pd.DataFrame(rows)
    changes: dict[str, Any] = {table: frame.reindex(columns=getattr(run, table).columns)}
    return replace(run, **changes)


def a_sample(
    at_s: float, cpu_s: float, memory: int, container: str = "t0", arm: str = "service"
) -> dict[str, Any]:
    return {
        "block": 0,
        "arm": arm,
        "container": container,
        "at_ns": int(at_s * S),
        "cpu_s": cpu_s,
        "memory_bytes": memory,
    }


def an_attempt(sent_s: float, done_s: float) -> dict[str, Any]:
    return {"block": 0, "arm": "service", "sent_ns": int(sent_s * S), "done_ns": int(done_s * S)}


def an_event(at_s: float, kind: str, arm: str = "service", **detail: Any) -> dict[str, Any]:
    text = json.dumps(detail) if detail else ""
    return {
        "block": 0,
        "arm": arm,
        "phase": "",
        "at_ns": int(at_s * S),
        "kind": kind,
        "container": "",
        "detail": text,
    }


# What was used before an arm was ready, or after its last phase, was used for starting and stopping.
UP = [an_event(0, "arm_ready"), an_event(10, "phase_ended")]


def test_idle_use_is_what_was_used_between_readings_without_an_item(run: Run) -> None:
    samples = [
        a_sample(0.0, 0.0, 100), a_sample(1.0, 0.01, 100), a_sample(2.0, 0.91, 900), a_sample(3.0, 1.81, 900),
        a_sample(4.0, 1.84, 300),
    ]  # fmt: skip
    samples.insert(0, a_sample(-1.0, -1.0, 5000))
    quiet = with_rows(with_rows(run, "samples", samples), "events", UP)
    quiet = with_rows(quiet, "attempts", [an_attempt(1.2, 1.4), an_attempt(1.3, 2.5)])
    (row,) = idle(quiet).to_dict("records")
    assert (row["arm"], row["part"]) == ("service", "tasks")
    assert row["observed_s"] == pytest.approx(2.0), "the first second and the last"
    assert row["cpu_cores"] == pytest.approx(0.02)
    assert row["memory_bytes"] == pytest.approx(200)
    assert row["containers"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("placement", "part"), [("function", "environments"), ("batch", "jobs"), ("service", "tasks")]
)
def test_idle_containers_are_called_what_their_placement_calls_them_and_their_cpu_is_told(
    run: Run, placement: str, part: str
) -> None:
    samples = [a_sample(at_s, at_s * 0.00003, 100) for at_s in (0.0, 1.0, 2.0)]
    quiet = with_rows(with_rows(run, "samples", samples), "attempts", [an_attempt(5, 6)])
    arms = {"service": run.manifest["arms"]["service"] | {"placement": placement}}
    quiet = replace(with_rows(quiet, "events", UP), manifest=run.manifest | {"arms": arms})
    (row,) = next(
        table for table in service_tables(Contents(quiet)) if table.caption.startswith("While nothing")
    ).rows
    assert row[1:4] == [part, "1.0", "0.003 %"]


def test_two_tasks_idle_together_and_the_load_balancer_stands_apart(run: Run) -> None:
    samples = [
        a_sample(at_s, at_s * rate, 100, name, arm)
        for name, rate, arm in (
            ("t0", 0.01, "service"),
            ("t1", 0.03, "service"),
            ("lb", 0.002, "service-balancer"),
        )
        for at_s in (0.0, 1.0, 2.0)
    ]
    quiet = with_rows(with_rows(run, "samples", samples), "attempts", [an_attempt(5, 6)])
    quiet = with_rows(quiet, "events", UP)
    tasks, balancer = idle(quiet).to_dict("records")
    assert (tasks["part"], tasks["containers"], tasks["cpu_cores"]) == (
        "tasks",
        pytest.approx(2),
        pytest.approx(0.02),
    )
    assert (balancer["part"], balancer["cpu_cores"]) == ("load balancer", pytest.approx(0.002))


def test_a_container_that_has_ended_does_not_idle(run: Run) -> None:
    ended = [
        a_sample(at_s, 1.0, 100) | ({"memory_bytes": None} if at_s > 1 else {})
        for at_s in (0.0, 1.0, 2.0, 3.0)
    ]
    quiet = with_rows(with_rows(run, "samples", ended), "events", UP)
    (row,) = idle(with_rows(quiet, "attempts", [an_attempt(5, 6)])).to_dict("records")
    assert (row["observed_s"], row["memory_bytes"]) == (pytest.approx(1.0), pytest.approx(100))


def test_an_arm_that_is_never_idle_has_no_row(run: Run) -> None:
    busy = with_rows(run, "samples", [a_sample(0.0, 0.0, 1), a_sample(1.0, 1.0, 1)])
    busy = with_rows(busy, "events", UP)
    assert idle(with_rows(busy, "attempts", [an_attempt(0.5, 0.6)])).empty


def test_the_log_tells_of_deployments_scaling_and_replaced_tasks_alone(run: Run) -> None:
    deployed: dict[str, Any] = {"desired": 2, "running": 2, "failures": 0}
    events = [
        an_event(1, "deployment_completed", revision=1, **deployed),
        an_event(2, "arm_ready"),
        an_event(3, "task_state", state="STOPPED", revision=1, reason="task0: ended with exit code 137"),
        an_event(
            4, "scaled", direction="out", before=2, after=4, metric="cpu", value=0.9, target=0.5, periods=3
        ),
        an_event(5, "deployment_failed", revision=2, **deployed | {"reason": "it is broken"}),
        an_event(6, "balancer_restarted", arm="service-balancer"),
        an_event(7, "task_state", state="STOPPED", revision=1, reason="the service is closed"),
    ]
    log = service_log(with_rows(run, "events", events))
    assert list(log["at_s"]) == [1, 2, 3, 4]
    assert list(log["what"]) == [
        "a task ended and was replaced", "scaled out from 2 to 4 tasks", "deployment of revision 2 failed",
        "balancer restarted",
    ]  # fmt: skip
    assert (
        "exit code 137" in log["why"][0]
        and "cpu was 0.9" in log["why"][1]
        and log["why"][2] == "it is broken"
    )
    assert log["why"][1] == "cpu was 0.9 on average over 3 periods, all above the target of 0.5"
    (table,) = service_tables(Contents(with_rows(run, "events", events)))
    assert len(table.rows) == 4


@pytest.mark.parametrize(
    ("kind", "detail", "what"),
    [
        ("deployment_unfinished", {}, "a deployment was not finished"),
        ("task_unhealthy", {}, "a task was found unhealthy"),
        ("service_watch_failed", {}, "what scales, deploys or limits the service failed"),
        ("burst_not_enforced", {}, "burst not enforced"),
        ("burst_not_enforced", {"vcpu": 0.1}, "burst not enforced to 0.1 vCPU"),
    ],
)
def test_what_went_otherwise_than_asked_is_in_the_log(
    run: Run, kind: str, detail: dict[str, Any], what: str
) -> None:
    events = [an_event(1, "arm_ready"), an_event(3, kind, reason="this is why", **detail)]
    log = service_log(with_rows(run, "events", events))
    assert log[["what", "why"]].to_dict("records") == [{"what": what, "why": "this is why"}]
