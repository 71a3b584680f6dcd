"""A run as the view is shown it: rows of two arms in two blocks."""

from __future__ import annotations

import json
from pathlib import Path

from harness.cli.picture import Picture
from harness.session import Begun, Row
from tests.rows import a_sample, an_attempt, an_event

ARMS = ("function", "service")
SECOND = 1_000_000_000
ENDED = json.dumps({"exit_code": 0, "out_of_memory": False})


def begun(arms: tuple[str, ...] = ARMS, budget_s: float | None = None, in_flight: int = 3) -> Begun:
    return Begun(Path("/results/r"), "A title", arms, budget_s, lambda: in_flight)


def an_arm(
    arm: str, block: int, at_s: float, took_s: float, latencies_s: tuple[float, ...], *, ends: bool = True
) -> list[Row]:
    """One arm of one block, in a container of its own."""
    at_ns, name = round(at_s * SECOND), f"{arm}-{block}"
    rows: list[Row] = [
        an_event(arm=arm, block=block, at_ns=at_ns, kind="arm_started"),
        an_event(arm=arm, block=block, at_ns=at_ns, kind="container_created", container=name),
        an_event(arm=arm, block=block, at_ns=at_ns, kind="container_started", container=name),
        an_event(
            arm=arm,
            block=block,
            at_ns=at_ns,
            kind="phase_started",
            phase="steady",
            detail=json.dumps({"planned": len(latencies_s) + 1}),
        ),
        *(an_attempt(arm=arm, block=block, latency_s=each) for each in latencies_s),
        a_sample(arm=arm, block=block, container=name, at_ns=at_ns, cpu_s=1.0, memory_bytes=2**20),
        a_sample(
            arm=arm,
            block=block,
            container=name,
            at_ns=at_ns + SECOND,
            cpu_s=1.5,
            memory_bytes=2**21,
            memory_peak_bytes=2**22,
        ),
    ]
    if ends:
        rows += [
            an_event(arm=arm, block=block, at_ns=at_ns, kind="container_ended", container=name, detail=ENDED),
            an_event(arm=arm, block=block, at_ns=at_ns + round(took_s * SECOND), kind="arm_ended"),
        ]
    return rows


def a_picture(arms: tuple[str, ...] = ARMS, budget_s: float | None = None) -> Picture:
    """One block over, the function running in the second of ten; 20 arms of 2 s and 4 s."""
    picture = Picture(begun(arms, budget_s), begun_s=100.0)
    picture.steps = 1 + 10 * len(arms)
    picture.step("measuring the harness itself", 100.0)
    at_s = 1.0
    for number, arm in enumerate(arms):
        picture.step(f"block 1 of 10: {arm}", 100.0 + at_s)
        for row in an_arm(arm, 0, at_s, 2.0 * (1 + number), (0.1, 0.2, 0.3)):
            picture.take(row)
        at_s += 2.0 * (1 + number)
    picture.step(f"block 2 of 10: {arms[0]}", 100.0 + at_s)
    for row in an_arm(arms[0], 1, at_s, 2.0, (0.4,), ends=False):
        picture.take(row)
    return picture
