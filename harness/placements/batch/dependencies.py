"""What a job waits for: another job, a child of another array, or the child before it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping

from harness.placements.batch.jobs import AnyJob, ArrayJob, Dependency, Job, Submission, SubmitError, parts
from harness.placements.batch.states import State

MOST_DEPENDENCIES = 20

# A job, one of those it waits for has ended, and whether it succeeded.
Heard = Callable[[Job, bool], None]


def check(submission: Submission, jobs: Mapping[str, AnyJob]) -> None:
    """SubmitError if AWS would refuse what it depends on."""
    if len(submission.depends_on) > MOST_DEPENDENCIES:
        raise SubmitError(f"dependsOn: got {len(submission.depends_on)} jobs, allowed: {MOST_DEPENDENCIES}")
    for each in submission.depends_on:
        if each.kind == "SEQUENTIAL":
            wrong = "goes without a jobId" if each.job_id else ""
            wrong = wrong or ("" if submission.array_size else "goes with an array")
        elif each.job_id not in jobs:
            wrong = f"there is no job {each.job_id!r}"
        else:
            wrong = _unequal(submission, each, jobs)
        if wrong:
            raise SubmitError(f"dependsOn: {each.kind or 'jobId'}: {wrong}")


def _unequal(submission: Submission, each: Dependency, jobs: Mapping[str, AnyJob]) -> str:
    """What is wrong with a dependency of child upon child; a job can only wait for earlier ones, so not a cycle."""
    if each.kind != "N_TO_N":
        return ""
    other = jobs[str(each.job_id)]
    size = len(other.children) if isinstance(other, ArrayJob) else None
    if size is None or size != submission.array_size:
        return f"both have to be arrays of one size, got {submission.array_size} and {size}"
    return ""


def link(job: AnyJob, jobs: Mapping[str, AnyJob], heard: Heard) -> None:
    """Count in each part of a job what it waits for, and have `heard` called for each of these that ends."""
    ours = parts(job)
    for each in job.submission.depends_on:
        if each.kind == "SEQUENTIAL":
            for earlier, later in itertools.pairwise(ours):
                _wait(earlier, [later], heard)
            continue
        other = jobs[str(each.job_id)]
        if each.kind == "N_TO_N" and isinstance(other, ArrayJob):
            for theirs, own in zip(other.children, ours, strict=True):
                _wait(theirs, [own], heard)
        else:
            _wait(other, ours, heard)


def _wait(other: AnyJob, waiting: list[Job], heard: Heard) -> None:
    for job in waiting:
        job.waits_for += 1

    def tell(succeeded: bool) -> None:
        for job in waiting:
            heard(job, succeeded)

    if other.state.ended:
        asyncio.get_running_loop().call_soon(tell, other.state is State.SUCCEEDED)
    else:
        other.after.append(tell)
