"""Events that a person who watches should know of, in words; equal ones in a row are told once, with their number."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.analysis.services import KINDS, told
from harness.rows import NO_BLOCK, Event

KEPT = 50
# What stands before a service records under the service's name with this behind it.
BALANCER = "-balancer"

# Of the first revision these are how a service comes up.
AT_EVERY_START = {"deployment_started", "deployment_completed"}
# By itself, by SIGKILL, by SIGTERM: a container that ends so unasked is told of by its placement.
ENDED_AS_TOLD = {0, 128 + 9, 128 + 15}

Detail = dict[str, Any]


def _ended(detail: Detail) -> str:
    if detail.get("out_of_memory"):
        return "a container was killed: out of memory"
    code = detail["exit_code"]
    return "" if code in ENDED_AS_TOLD else f"a container ended with exit code {code}"


def _job(detail: Detail) -> str:
    return f"a job failed: {detail['reason']}" if detail["state"] == "FAILED" else ""


def _instance(what: str) -> Callable[[Detail], str]:
    """Of Fargate each task is one, which is nothing of note."""
    return lambda detail: "" if detail["compute"] == "FARGATE" else f"an instance {what}: {detail['type']}"


def _service(kind: str) -> Callable[[Detail], str]:
    def words(detail: Detail) -> str:
        if kind in AT_EVERY_START and detail["revision"] == 1:
            return ""
        found = told(kind, detail)
        return ": ".join(part for part in found if part) if found else ""

    return words


WORDS: dict[str, Callable[[Detail], str]] = {
    "throttled": lambda detail: f"throttled: {detail['reason']}",
    "refused": lambda detail: f"refused: {detail['reason']}",
    "container_ended": _ended,
    "container_reset": lambda _: "an environment was reset",
    "container_evicted": lambda _: "an idle environment was evicted",
    "init_failed": lambda detail: f"INIT failed: {detail['status']}",
    "freeze_failed": lambda _: "an environment could not be frozen",
    "dead_letter": lambda detail: (
        f"an event was given up after {detail['tries']} tries: {detail['condition']}"
    ),
    "job_state": _job,
    "instance_launching": _instance("launches"),
    "instance_ready": _instance("is ready"),
    "instance_ended": _instance("has ended"),
    "instance_interrupted": lambda detail: f"an instance was interrupted: {detail['instance']}",
} | {kind: _service(kind) for kind in sorted(KINDS | {"task_state"})}


@dataclass(slots=True)
class Note:
    """What happened to an arm, `times` times in a row, for the last time at `at_ns` (UTC)."""

    at_ns: int
    arm: str
    words: str
    times: int = 1


class Notes:
    """The last few."""

    def __init__(self) -> None:
        self.kept: deque[Note] = deque(maxlen=KEPT)

    def take(self, row: Event) -> None:
        """Note an event, if it is one of note and not of the harness measuring itself."""
        if row.kind not in WORDS or row.block == NO_BLOCK:
            return
        words = WORDS[row.kind](json.loads(row.detail) if row.detail else {})
        if not words:
            return
        arm = row.arm.removesuffix(BALANCER)
        last = self.kept[-1] if self.kept else None
        if last is not None and (last.arm, last.words) == (arm, words):
            last.at_ns, last.times = row.at_ns, last.times + 1
        else:
            self.kept.append(Note(row.at_ns, arm, words))
