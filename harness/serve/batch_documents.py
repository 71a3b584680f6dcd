"""Jobs and the rest in the shapes that AWS Batch describes them in."""

from __future__ import annotations

from typing import Any

from harness.placements.batch.jobs import AnyJob, ArrayJob, AttemptMade, Job
from harness.placements.function.runtime_api import ACCOUNT, REGION

NS_PER_MS = 1_000_000
BATCH = f"arn:aws:batch:{REGION}:{ACCOUNT}"


def named(what: str, resource: str, name: str, path: str = "job-definition") -> dict[str, Any]:
    """The ARN and the name of a resource, under AWS's keys for this kind of it."""
    return {f"{what}Arn": f"{BATCH}:{path}/{resource}", f"{what}Name": name}


def last(name_or_arn: str) -> str:
    """The name in an ARN, or the name itself."""
    return name_or_arn.rsplit("/", 1)[-1]


def described(job: AnyJob) -> dict[str, Any]:
    """A JobDetail."""
    submission = job.submission
    found: dict[str, Any] = {
        **summary(job),
        "jobQueue": f"{BATCH}:job-queue/{submission.queue}",
        "jobDefinition": f"{BATCH}:job-definition/{submission.definition.reference}",
        "parameters": dict(submission.parameters),
        "dependsOn": [
            {name: value for name, value in (("jobId", each.job_id), ("type", each.kind)) if value}
            for each in submission.depends_on
        ],
    }
    if isinstance(job, ArrayJob):
        return found
    newest = job.attempts[-1] if job.attempts else None
    return {
        **found,
        "attempts": [_attempt(made) for made in job.attempts],
        "retryStrategy": {"attempts": job.retries.attempts},
        "container": {
            "image": submission.definition.image or "",
            "command": list(job.command()),
            "environment": [{"name": k, "value": v} for k, v in job.environment().items()],
            "resourceRequirements": [
                {"type": "VCPU", "value": f"{job.vcpu:g}"}, {"type": "MEMORY", "value": str(job.memory_mb)},
            ],
            **(_container(newest) if newest else {}),
        },
    }  # fmt: skip


def _attempt(made: AttemptMade) -> dict[str, Any]:
    started = {} if made.started_ns is None else {"startedAt": made.started_ns // NS_PER_MS}
    return {
        "container": _container(made), "stoppedAt": made.stopped_ns // NS_PER_MS,
        "statusReason": made.ending.status_reason, **started,
    }  # fmt: skip


def _container(made: AttemptMade) -> dict[str, Any]:
    found: dict[str, Any] = {"taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{made.container}"}
    found["logStreamName"] = made.container
    if made.ending.exit_code is not None:
        found["exitCode"] = made.ending.exit_code
    if made.ending.reason:
        found["reason"] = made.ending.reason
    return found


def summary(job: AnyJob) -> dict[str, Any]:
    """A JobSummary."""
    found: dict[str, Any] = {
        "jobArn": f"{BATCH}:job/{job.id}", "jobId": job.id, "jobName": job.submission.name,
        "createdAt": job.created_ns // NS_PER_MS, "status": job.state.value,
        "startedAt": ((job.started_ns or 0) if isinstance(job, Job) else 0) // NS_PER_MS,
    }  # fmt: skip
    if job.reason:
        found["statusReason"] = job.reason
    if job.stopped_ns is not None:
        found["stoppedAt"] = job.stopped_ns // NS_PER_MS
    if isinstance(job, ArrayJob):
        found["arrayProperties"] = {"size": len(job.children), "statusSummary": job.summary()}
    elif job.index is not None:
        found["arrayProperties"] = {"index": job.index}
    return found
