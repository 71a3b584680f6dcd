"""A finished run folder of made-up rows, with known ratios between arms, for tests of all that reads run folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.rows import Attempt, Outcome, Sample
from harness.runs import Run, RunWriter, State
from tests.rows import an_attempt, an_event

MIB = 2**20
EPOCH_NS = 1_795_000_000_000_000_000
PHASES = {"steady": 10.0, "drop": 0.0}  # items a second; 0: all at once
RATE_PER_S = PHASES["steady"]
# Median latency, in seconds, of a warm item in each placement; the rest of the law is the same.
MEDIAN_S = {"function": 0.080, "batch": 0.900, "service": 0.060}
COLD_S = {"create_s": 0.05, "start_s": 0.30, "init_s": 0.15}
LIMITS = {"vcpu": 0.5, "memory_bytes": 885 * MIB, "cpu": "hard", "cpu_period_us": 20_000}


@dataclass(frozen=True)
class Recipe:
    """What to make up."""

    blocks: int = 12
    items: int = 24
    warmup_blocks: int = 1
    aa: str | None = "function"
    placements: tuple[str, ...] = ("function", "batch", "service")
    engine: str = "docker"
    state: State = "complete"
    seed: int = 1
    failed_share: float = 0.0
    late_blocks: tuple[int, ...] = ()


class _Maker:
    """Writes the rows of one recipe, block after block, on one time line."""

    def __init__(self, writer: RunWriter, recipe: Recipe) -> None:
        self.writer = writer
        self.recipe = recipe
        self.rng = np.random.default_rng(recipe.seed)
        self.now_ns = EPOCH_NS

    def run(self) -> None:
        """Every block, its arms in a shuffled order."""
        names = list(arms(self.recipe))
        for block in range(self.recipe.warmup_blocks + self.recipe.blocks):
            luck = float(np.exp(self.rng.normal(0, 0.1)))
            for index in self.rng.permutation(len(names)):
                self.one_arm(block, names[index], luck)

    def one_arm(self, block: int, arm: str, luck: float) -> None:
        """One arm of one block: its containers, phases, samples and events."""
        placement = arm.removesuffix("-aa")
        began_ns = self.now_ns
        self.event(block, arm, "arm_started")
        for phase, rate_per_s in PHASES.items():
            if placement == "batch" or phase == "steady":
                names = [f"b{block}-{arm}-{phase}{n}" for n in range(2)]
                for name in names:
                    self.event(block, arm, "container_created", container=name, duration_s=0.05)
                    self.event(block, arm, "container_started", container=name, duration_s=0.3)
            self.event(block, arm, "phase_started", phase=phase)
            self.phase(block, arm, phase, rate_per_s, names, luck)
            detail = json.dumps({"planned": self.recipe.items})
            self.event(block, arm, "phase_ended", phase=phase, detail=detail)
            if placement == "batch" or phase == "drop":
                self.end(block, arm, names, began_ns)
        self.event(block, arm, "arm_ended")
        self.now_ns += 100_000_000

    def phase(
        self, block: int, arm: str, phase: str, rate_per_s: float, names: list[str], luck: float
    ) -> None:
        """The attempts of one phase."""
        count, placement = self.recipe.items, arm.removesuffix("-aa")
        start_ns = self.now_ns + 20_000_000
        due_s = np.arange(count) / rate_per_s if rate_per_s else np.zeros(count)
        late_s = 0.5 if block in self.recipe.late_blocks else 0.0002
        warm_s = MEDIAN_S[placement] * luck * np.exp(self.rng.normal(0, 0.15, count))
        if not rate_per_s:
            warm_s *= 1 + np.arange(count) / 4
        fails = self.rng.random(count) < self.recipe.failed_share
        last_ns = start_ns
        for i in range(count):
            cold = placement == "batch" or (placement == "function" and phase == "steady" and i < 2)
            parts = COLD_S if cold else {}
            latency_s = float(warm_s[i]) + sum(parts.values())
            due_ns = start_ns + round(float(due_s[i]) * 1e9)
            done_ns = due_ns + round(latency_s * 1e9)
            last_ns = max(last_ns, done_ns)
            self.writer.attempt(self.attempt(block, arm, phase, i, due_ns, done_ns, names[i % 2], parts, late_s, bool(fails[i])))  # noqa: E501  # fmt: skip
        self.now_ns = last_ns + 10_000_000

    def attempt(
        self, block: int, arm: str, phase: str, i: int, due_ns: int, done_ns: int, container: str,
        parts: dict[str, float], late_s: float, failed: bool,
    ) -> Attempt:  # fmt: skip
        """One row whose parts add up to its latency."""
        placement = arm.removesuffix("-aa")
        latency_s = (done_ns - due_ns) / 1e9
        body_s = latency_s - sum(parts.values())
        queue_s, work_s = body_s * 0.3, body_s * 0.5
        return an_attempt(
            run=self.writer.run, block=block, arm=arm, placement=placement, phase=phase,
            warmup=block < self.recipe.warmup_blocks, item=f"{i:04}.jpg", sequence=i, due_ns=due_ns,
            sent_ns=due_ns + round(late_s * 1e9), started_ns=done_ns - round(work_s * 1e9), done_ns=done_ns,
            latency_s=latency_s, service_s=latency_s - late_s, cold=bool(parts), queue_s=queue_s, work_s=work_s,
            fetch_s=body_s * 0.1, store_s=body_s * 0.05, answer_s=body_s * 0.03, other_s=body_s * 0.02,
            handler_s=body_s * 0.65,
            duration_s=body_s * 0.7 if placement == "function" else None,
            billed_s=np.ceil((body_s * 0.7 + parts.get("init_s", 0)) * 1000) / 1000
            if placement == "function" else None,
            cpu_s=work_s * 0.9, memory_peak_bytes=60 * MIB, bytes_in=1_000_000, bytes_out=9_000, container=container,
            outcome=Outcome.ERROR if failed else Outcome.OK, error="made to fail" if failed else "", **parts,
        )  # fmt: skip

    def end(self, block: int, arm: str, names: list[str], began_ns: int) -> None:
        """Samples of the containers' lives, their last ones, and their ends."""
        for name in names:
            for step in range(1, 11):
                at_ns = began_ns + (self.now_ns - began_ns) * step // 10
                row = Sample(
                    run=self.writer.run, block=block, arm=arm, container=name, at_ns=at_ns, final=step == 10,
                    cpu_s=0.1 * step, memory_bytes=None if step == 10 else 6 * step * MIB,
                    memory_peak_bytes=6 * step * MIB, cpu_periods=10 * step, cpu_throttled_periods=2 * step,
                )  # fmt: skip
                self.writer.sample(row)
            self.event(
                block, arm, "container_ended", container=name,
                detail=json.dumps({"exit_code": 0, "out_of_memory": False}),
            )  # fmt: skip
            self.event(block, arm, "container_removed", container=name, duration_s=0.05)
        host = Sample(run=self.writer.run, container="host", at_ns=self.now_ns, host_cpu_fraction=0.5)
        self.writer.sample(host)

    def event(self, block: int, arm: str, kind: str, **changes: Any) -> None:
        """One event now, a millisecond after the one before."""
        self.now_ns += 1_000_000
        row = an_event(run=self.writer.run, block=block, arm=arm, kind=kind, at_ns=self.now_ns, **changes)
        self.writer.event(row)


def arms(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The manifest's `arms`."""
    named: dict[str, str | None] = dict.fromkeys(recipe.placements)
    if recipe.aa is not None:
        named[f"{recipe.aa}-aa"] = recipe.aa
    in_force = {"vcpu": 0.5, "memory_bytes": LIMITS["memory_bytes"]}
    return {
        name: {
            "placement": original or name, "duplicate_of": original, "parallel": 2, "limits": LIMITS,
            "limits_in_force": in_force,
        }
        for name, original in named.items()
    }  # fmt: skip


def manifest(recipe: Recipe) -> dict[str, Any]:
    """Everything that a session writes into the manifest, made up."""
    phases = [
        {"name": "steady", "arrivals": {"kind": "steady", "rate_per_s": RATE_PER_S, "duration_s": 2.4}},
        {"name": "drop", "arrivals": {"kind": "drop", "items": recipe.items}},
    ]
    docker = recipe.engine == "docker"
    return {
        "schema": 1,
        "started_utc": "2026-11-23T10:00:00+00:00",
        "seed": recipe.seed,
        "scenario": {"name": "made_up", "title": "Made-up <rows> & figures", "blocks": recipe.blocks,
                     "workload": "thumbnail", "aa": recipe.aa, "phases": phases},
        "arms": arms(recipe),
        "engine": {
            "name": recipe.engine, "version": "1.0", "note": "made up",
            "enforced": {"cpu": "enforced" if docker else "absent", "memory": "enforced" if docker else "watched"},
        },
        "image": {"reference": "thumbnail:1", "id": "sha256:abc", "size_bytes": 200 * MIB} if docker else None,
        "git_commit": "abc123",
        "machine": {"cpu_model": "Made-up CPU", "cores": 2, "memory_bytes": 8 * 2**30, "swap_bytes": None},
        "versions": {"harness": "0.1.0", "pillow": "13.0.0"},
        "corpus": {"items": 24, "digest": "abc", "description": "24 made-up pictures", "bytes": 24_000_000},
        "differences": ["function: starts from nothing", "batch: collects items", "service: is up"],
        "warnings": ["a made-up warning"],
        "own_cost": {"harness_cpu_s": 3.2, "driver_cpu_s": 0.1, "sampler_cpu_s": 0.4, "samples_per_s": 20.0},
    }  # fmt: skip


def make_run(folder: Path, recipe: Recipe | None = None, **changes: Any) -> Run:
    """Write the run folder of `recipe`, with changes, and load it."""
    recipe = replace(recipe or Recipe(), **changes)
    writer = RunWriter(folder, manifest(recipe))
    _Maker(writer, recipe).run()
    writer.close(recipe.state)
    return Run.load(folder)


def empty_run(folder: Path, state: State = "interrupted") -> Run:
    """A run that ended before its first row, with hardly a manifest."""
    RunWriter(folder, {"schema": 1}).close(state)
    return Run.load(folder)
