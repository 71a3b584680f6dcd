"""Compute environments: instances that are launched as jobs or tasks wait, filled, and shut down when idle.

An instance here is a share of this machine with that capacity. What launching one takes is drawn from a stated
distribution: it is assumed, and events tell it apart from what was measured. Source: AWS Batch User Guide, "Compute
environment parameters" and "Allocation strategies", read 2026-11-24.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from harness.clock import Clock

Kind = Literal["EC2", "SPOT", "FARGATE"]
Strategy = Literal[
    "BEST_FIT", "BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"
]
# Amounts are sums of what was asked for in fractions.
EPSILON = 1e-9
LAUNCHING, READY, DRAINING, ENDED = "launching", "ready", "draining", "ended"


class Need(Protocol):
    """A job or a task, as far as room for it goes."""

    @property
    def vcpu(self) -> float:
        """Its vCPUs."""
        ...

    @property
    def memory_mb(self) -> int:
        """Its memory, in MiB."""
        ...


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What an instance of this type has for jobs."""

    name: str
    vcpu: float
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A time in seconds, log-normal: its median, and the factor between that and one standard deviation up."""

    median_s: float
    spread: float = 1.0

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        if self.median_s <= 0:
            return 0.0
        return float(self.median_s * np.exp(np.log(self.spread) * random.standard_normal()))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """One compute environment. `idle_s` is how long an instance without jobs is kept.

    BEST_FIT and BEST_FIT_PROGRESSIVE take the smallest type that holds the job: they differ where AWS has none left,
    which is not modelled. What has capacity on Spot is known to AWS alone, so those draw one of the types that fit.
    """

    name: str
    kind: Kind
    max_vcpu: float
    min_vcpu: float = 0.0
    types: tuple[InstanceType, ...] = ()
    launch: Delay = field(default_factory=lambda: Delay(median_s=0.0))
    idle_s: float = 0.0
    strategy: Strategy = "BEST_FIT"
    seed: int = 0


@dataclass(eq=False, slots=True)
class Instance:
    """One instance, or for Fargate the room of one job."""

    id: str
    type: InstanceType
    launched_ns: int
    delay_s: float
    state: str = LAUNCHING
    free_vcpu: float = 0.0
    free_mb: int = 0
    jobs: set[Need] = field(default_factory=set)
    ended_ns: int | None = None
    idle: asyncio.TimerHandle | None = None


# Told of an instance and of what became of it: launching, ready, draining, ended.
Told = Callable[["ComputeEnvironment", Instance], None]


class ComputeEnvironment:
    """`place` a job, `release` it, and `grow` for those that found no room."""

    def __init__(
        self, settings: EnvironmentSettings, clock: Clock, told: Told, ready: Callable[[], None]
    ) -> None:
        """`ready` is called whenever there is room that was not there before. `launch` may be changed later on."""
        self.settings = settings
        self._clock = clock
        self._told = told
        self._ready = ready
        self.launch = settings.launch
        self._random = np.random.default_rng(settings.seed)
        self._numbers = itertools.count(1)
        self.instances: set[Instance] = set()

    def open(self) -> None:
        """Launch what the minimum asks for; it is never shut down."""
        while self.settings.types and self._vcpu() + EPSILON < self.settings.min_vcpu:
            self._launch(min(self.settings.types, key=lambda each: each.vcpu))

    def could_hold(self, job: Need) -> bool:
        """Whether there ever can be room for it."""
        if self.settings.kind == "FARGATE":
            return job.vcpu <= self.settings.max_vcpu + EPSILON
        return any(self._fits_type(job, each) for each in self.settings.types)

    def place(self, job: Need) -> Instance | None:
        """Room on the fullest instance that has some; None where there is none now."""
        fitting = [each for each in self.instances if each.state == READY and _fits(job, each)]
        if not fitting:
            return None
        chosen = min(fitting, key=lambda each: (each.free_vcpu, each.free_mb, each.launched_ns, each.id))
        chosen.free_vcpu -= job.vcpu
        chosen.free_mb -= job.memory_mb
        chosen.jobs.add(job)
        if chosen.idle is not None:
            chosen.idle.cancel()
            chosen.idle = None
        return chosen

    def grow(self, waiting: Sequence[Need]) -> None:
        """Launch what these need beyond what is being launched already, within the maximum."""
        coming = [[each.type.vcpu, each.type.memory_mb] for each in self.instances if each.state == LAUNCHING]
        for job in waiting:
            room = next((r for r in coming if r[0] + EPSILON >= job.vcpu and r[1] >= job.memory_mb), None)
            if room is None:
                wanted = self._type_for(job)
                if wanted is None or self._vcpu() + wanted.vcpu > self.settings.max_vcpu + EPSILON:
                    return
                self._launch(wanted)
                room = [wanted.vcpu, wanted.memory_mb]
                coming.append(room)
            room[0] -= job.vcpu
            room[1] -= job.memory_mb

    def release(self, instance: Instance, job: Need) -> None:
        """Its attempt is over."""
        instance.jobs.discard(job)
        instance.free_vcpu += job.vcpu
        instance.free_mb += job.memory_mb
        if instance.jobs or instance.state == ENDED:
            return
        if self.settings.kind == "FARGATE" or instance.state == DRAINING:
            self.end(instance)
        else:
            self._await_idle(instance)

    def drain(self, instance: Instance) -> None:
        """It takes no more jobs, and ends with its last one."""
        if instance.idle is not None:
            instance.idle.cancel()
        instance.state = DRAINING
        self._told(self, instance)
        if not instance.jobs:
            self.end(instance)

    def end(self, instance: Instance) -> None:
        """It is gone, with whatever ran on it."""
        if instance.state == ENDED:
            return
        if instance.idle is not None:
            instance.idle.cancel()
        instance.state = ENDED
        instance.ended_ns = self._clock.now_ns()
        self.instances.discard(instance)
        self._told(self, instance)

    def close(self) -> None:
        """End every instance."""
        for instance in list(self.instances):
            self.end(instance)

    def _await_idle(self, instance: Instance) -> None:
        idle_s = 0.0 if self.settings.kind == "FARGATE" else self.settings.idle_s
        instance.idle = asyncio.get_running_loop().call_later(idle_s, self._end_if_idle, instance)

    def _end_if_idle(self, instance: Instance) -> None:
        # Others may have ended since its time began to run, and the minimum stays.
        instance.idle = None
        if not instance.jobs and self._vcpu() - instance.type.vcpu + EPSILON >= self.settings.min_vcpu:
            self.end(instance)
            self._ready()  # what it took of the maximum may be had by others

    def _vcpu(self) -> float:
        return sum(each.type.vcpu for each in self.instances)

    def _fits_type(self, job: Need, each: InstanceType) -> bool:
        return (
            job.vcpu <= each.vcpu + EPSILON
            and job.memory_mb <= each.memory_mb
            and each.vcpu <= self.settings.max_vcpu + EPSILON
        )

    def _type_for(self, job: Need) -> InstanceType | None:
        if self.settings.kind == "FARGATE":
            return InstanceType("fargate", job.vcpu, job.memory_mb)
        fitting = sorted(
            (each for each in self.settings.types if self._fits_type(job, each)),
            key=lambda each: (each.vcpu, each.memory_mb, each.name),
        )
        if not self.settings.strategy.startswith("SPOT"):
            return next(iter(fitting), None)
        left = self.settings.max_vcpu - self._vcpu()
        within = [each for each in fitting if each.vcpu <= left + EPSILON]
        return within[int(self._random.integers(len(within)))] if within else None

    def _launch(self, wanted: InstanceType) -> None:
        instance = Instance(
            id=f"i-{self.settings.name}-{next(self._numbers):04}",
            type=wanted,
            launched_ns=self._clock.now_ns(),
            delay_s=self.launch.draw(self._random),
        )
        self.instances.add(instance)
        self._told(self, instance)
        loop = asyncio.get_running_loop()
        if instance.delay_s > 0:
            loop.call_later(instance.delay_s, self._come_up, instance)
        else:
            loop.call_soon(self._come_up, instance)

    def _come_up(self, instance: Instance) -> None:
        if instance.state == ENDED:
            return
        instance.state = READY
        instance.free_vcpu, instance.free_mb = instance.type.vcpu, instance.type.memory_mb
        self._told(self, instance)
        self._ready()
        # The job that it was launched for may have been cancelled meanwhile; whoever is placed on it ends the wait.
        self._await_idle(instance)


def _fits(job: Need, instance: Instance) -> bool:
    return job.vcpu <= instance.free_vcpu + EPSILON and job.memory_mb <= instance.free_mb
