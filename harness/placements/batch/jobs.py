"""Jobs as Batch keeps them: what was submitted, where it stands, and every attempt at it."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.placements.batch.definition import JobDefinition
from harness.placements.batch.retries import Ending, RetryStrategy
from harness.placements.batch.states import State, check

ARRAY_SIZES = (2, 10_000)


class SubmitError(ValueError):
    """A job that AWS would refuse to take; the text names key, value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a job waits for: all of another job, or child by child (`N_TO_N`), or its own children in turn."""

    job_id: str | None
    kind: Literal["", "SEQUENTIAL", "N_TO_N"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What SubmitJob is told; None where the definition decides."""

    name: str
    queue: str
    definition: JobDefinition
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    vcpu: float | None = None
    memory_mb: int | None = None
    retries: RetryStrategy | None = None
    timeout_s: float | None = None
    array_size: int | None = None
    depends_on: tuple[Dependency, ...] = ()
    share: str = ""
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptMade:
    """One attempt that is over. Times are UTC ns; `started_ns` is None where no container was started."""

    container: str
    started_ns: int | None
    stopped_ns: int
    ending: Ending


_NUMBERS = itertools.count()


@dataclass(eq=False, slots=True)
class Job:
    """One job that can run: a plain one, or a child of an array."""

    id: str
    submission: Submission
    created_ns: int
    index: int | None = None
    array_size: int | None = None
    state: State = State.SUBMITTED
    reason: str = ""
    waits_for: int = 0
    attempts: list[AttemptMade] = field(default_factory=list)
    started_ns: int | None = None
    stopped_ns: int | None = None
    ending_reason: str | None = None
    number: int = field(default_factory=lambda: next(_NUMBERS))
    after: list[Callable[[bool], None]] = field(default_factory=list)

    @property
    def vcpu(self) -> float:
        """Its requirement."""
        return self.submission.vcpu or self.submission.definition.vcpu

    @property
    def memory_mb(self) -> int:
        """Its requirement."""
        return self.submission.memory_mb or self.submission.definition.memory_mb

    @property
    def retries(self) -> RetryStrategy:
        """Its own strategy, or the definition's."""
        return self.submission.retries or self.submission.definition.retries

    @property
    def timeout_s(self) -> float | None:
        """Of each attempt."""
        return self.submission.timeout_s or self.submission.definition.timeout_s

    @property
    def priority(self) -> int:
        """Higher is sooner, among those of one share."""
        return (
            self.submission.definition.priority
            if self.submission.priority is None
            else self.submission.priority
        )

    def command(self) -> tuple[str, ...]:
        """With every `Ref::` replaced."""
        told = self.submission
        definition = (
            told.definition if told.command is None else replace(told.definition, command=told.command)
        )
        return definition.command_for(told.parameters)

    def environment(self) -> dict[str, str]:
        """What Batch and the submitter set.

        Source: AWS Batch User Guide, "Job environment variables", read 2026-11-24.
        """
        own = {
            "AWS_BATCH_JOB_ID": self.id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts) + 1),
            "AWS_BATCH_JQ_NAME": self.submission.queue,
        }
        if self.index is not None:
            own |= {
                "AWS_BATCH_JOB_ARRAY_INDEX": str(self.index),
                "AWS_BATCH_JOB_ARRAY_SIZE": str(self.array_size),
            }
        return {**self.submission.definition.environment, **self.submission.environment, **own}

    def go_to(self, state: State, reason: str) -> None:
        """Change state; IllegalTransition where it may not."""
        check(self.state, state)
        self.state, self.reason = state, reason


@dataclass(eq=False, slots=True)
class ArrayJob:
    """The parent of an array: it never runs, and ends with its last child."""

    id: str
    submission: Submission
    created_ns: int
    children: list[Job]
    state: State = State.SUBMITTED
    reason: str = ""
    left: int = 0
    stopped_ns: int | None = None
    after: list[Callable[[bool], None]] = field(default_factory=list)

    def go_to(self, state: State, reason: str) -> None:
        """Change state; IllegalTransition where it may not."""
        check(self.state, state, parent=True)
        self.state, self.reason = state, reason

    def summary(self) -> dict[str, int]:
        """How many children are in each state."""
        counts = Counter(child.state for child in self.children)
        return {state.value: counts.get(state, 0) for state in State}


AnyJob = Job | ArrayJob


def parts(job: AnyJob) -> list[Job]:
    """What of it can run: the job, or the children of an array."""
    return job.children if isinstance(job, ArrayJob) else [job]


def make(submission: Submission, now_ns: int) -> AnyJob:
    """A plain job, or an array with its children. SubmitError if the array has no size that AWS takes."""
    job_id = str(uuid.uuid4())
    size = submission.array_size
    if size is None:
        return Job(job_id, submission, now_ns)
    if not ARRAY_SIZES[0] <= size <= ARRAY_SIZES[1]:
        raise SubmitError(
            f"arrayProperties.size: got {size}, allowed: {ARRAY_SIZES[0]} to {ARRAY_SIZES[1]:,}"
        )
    children = [Job(f"{job_id}:{index}", submission, now_ns, index, size) for index in range(size)]
    return ArrayJob(job_id, submission, now_ns, children, left=size)
