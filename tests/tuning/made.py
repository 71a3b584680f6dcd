"""A finished sweep of made-up rows, whose best sizes are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.cost.book import PriceBook
from harness.cost.function import LOG_BYTES
from harness.rows import Outcome
from harness.runs import Run, RunWriter
from harness.scenario import Scenario
from harness.tuning.question import KEY, Question
from harness.tuning.sizes import parse_memory, parse_vcpu
from harness.tuning.sweep import SizedArm, Sweep, sweep
from tests.rows import an_attempt, an_event

MIB = 2**20
EPOCH_NS = 1_795_000_000_000_000_000
GAP_NS = 100_000_000


def scenario(**changes: Any) -> Scenario:
    """Placements of each kind; `changes` are top-level keys."""
    data: dict[str, Any] = {
        "name": "made",
        "title": "Made up",
        "workload": "thumbnail",
        "seed": 3,
        "blocks": 12,
        "aa": "function",
        "phases": [{"name": "steady", "arrivals": {"kind": "steady", "rate_per_s": 10, "duration_s": 1}}],
        "placements": {
            "function": {"kind": "function", "memory_mb": 885},
            "batch": {
                "kind": "batch", "memory_mb": 885, "vcpu": 0.5, "vcpu_budget": 1.0, "array_size": 2,
            },
            "service": {"kind": "service", "memory_mb": 885, "vcpu": 0.5, "task_memory_mb": 1024},
        },
    }  # fmt: skip
    return Scenario.model_validate(data | changes)


def lambda_usd(memory_mb: float, billed_s: float, book: PriceBook) -> float:
    """One invocation: the request, its billed seconds times its memory, and its log lines."""
    duration = memory_mb / 1024 * billed_s * float(book.price("lambda_gb_second_x86"))
    log = LOG_BYTES / 2**30 * float(book.price("logs_ingest_gb"))
    return float(book.price("lambda_request")) + duration + log


def functions_only(memory: str, **changes: Any) -> Sweep:
    """A sweep of a function."""
    return sweep(scenario(**changes).only(["function"]), parse_memory(memory), parse_vcpu("1"))


@dataclass
class Law:
    """How long the work takes at a size, and which sizes do not work.

    `time_s` is the median time of an item; blocks have luck of `block_spread` in common for all arms, and items
    `item_spread` of their own (log scale). The first item of a block is cold, and takes `cold_s` longer. In
    `late_blocks` the driver was a second late, so nothing there is valid.
    """

    time_s: Callable[[SizedArm], float]
    outcome: Callable[[SizedArm], Outcome] = lambda arm: Outcome.OK
    peak_mb: float = 90.0
    items: int = 10
    block_spread: float = 0.1
    item_spread: float = 0.02
    cold_s: float = 0.5
    late_blocks: tuple[int, ...] = ()
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))


def kinds(made: Sweep) -> dict[str, dict[str, Any]]:
    """The manifest's `arms`."""
    found: dict[str, dict[str, Any]] = {}
    for name, settings in made.scenario.placements.items():
        limits = {
            "vcpu": settings.vcpu, "memory_bytes": settings.memory_mb * MIB, "cpu": "hard", "cpu_period_us": 20_000,
        }  # fmt: skip
        about = {"placement": settings.kind, "parallel": settings.parallel, "limits": limits}
        found[name] = about | {"duplicate_of": None, "limits_in_force": None}
    aa = made.scenario.aa
    if aa is not None:
        found[f"{aa}-aa"] = found[aa] | {"duplicate_of": aa}
    return found


def begin(folder: Path, made: Sweep, about: dict[str, Any]) -> RunWriter:
    """An empty run folder with the manifest of a sweep."""
    manifest = {
        "schema": 2, "seed": made.scenario.seed, "scenario": made.scenario.model_dump(mode="json"), "arms": kinds(made),
        "machine": {"cores": 64}, "engine": {"name": "docker"},
    }  # fmt: skip
    return RunWriter(folder, manifest | about)


def write_block(writer: RunWriter, made: Sweep, law: Law, block: int, names: Sequence[str]) -> None:
    """One block with these arms."""
    arms = {arm.name: arm for arm in made.arms}
    luck = float(np.exp(law.rng.normal(0, law.block_spread)))
    start_ns = EPOCH_NS + block * 10**12
    for place, name in enumerate(names):
        arm = arms[name.removesuffix("-aa")]
        kind = made.scenario.placements[arm.name].kind
        begun_ns = start_ns + place * 10**10
        writer.event(an_event(run=writer.run, block=block, arm=name, kind="arm_started", at_ns=begun_ns))
        times_s = law.time_s(arm) * luck * np.exp(law.rng.normal(0, law.item_spread, law.items))
        for number, time_s in enumerate(times_s):
            cold_s = law.cold_s if number == 0 else 0.0
            due_ns = begun_ns + number * GAP_NS
            done_ns = due_ns + round((time_s + cold_s) * 1e9)
            row = an_attempt(
                run=writer.run, block=block, arm=name, placement=kind, sequence=number, due_ns=due_ns,
                sent_ns=due_ns + 10**9 * (block in law.late_blocks),
                started_ns=done_ns, done_ns=done_ns, latency_s=time_s + cold_s, cold=number == 0, init_s=cold_s,
                handler_s=time_s, duration_s=time_s, outcome=law.outcome(arm), memory_peak_bytes=law.peak_mb * MIB,
                billed_s=float(np.ceil((time_s + cold_s) * 1000) / 1000) if kind == "function" else None,
                container=f"b{block}-{name}",
            )  # fmt: skip
            writer.attempt(row)
        ended = json.dumps({"exit_code": 0, "out_of_memory": False})
        for at_ns, event, detail in (
            (begun_ns, "container_started", ""),
            (begun_ns + 10**10, "container_ended", ended),
        ):
            writer.event(
                an_event(
                    run=writer.run, block=block, arm=name, kind=event, at_ns=at_ns, container=f"b{block}-{name}",
                    detail=detail,
                )
            )  # fmt: skip


def make_sweep(
    folder: Path, made: Sweep, law: Law, question: Question | None = None, blocks: int = 12
) -> Run:
    """Write the run folder of a whole sweep, and load it."""
    asked = question or Question("steady")
    told = {KEY: {"arms": made.told(), "question": asked.told(), "could_not_run": {}, "search": None}}
    writer = begin(folder, made, told)
    for block in range(blocks):
        write_block(writer, made, law, block, list(kinds(made)))
    writer.close("complete")
    return Run.load(folder)
