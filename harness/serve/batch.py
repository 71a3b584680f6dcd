"""The AWS Batch API in front of a control plane that runs here, for boto3 (`endpoint_url`) and the AWS CLI.

Source: AWS Batch API Reference, read 2026-11-24.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.placements.batch.control import Batch
from harness.placements.batch.definition import JobDefinition, parse
from harness.placements.batch.jobs import AnyJob, ArrayJob
from harness.placements.batch.queues import FairShare
from harness.placements.batch.states import State
from harness.placements.capacity import Delay
from harness.placements.function.runtime_api import ACCOUNT, REGION
from harness.serve.batch_documents import BATCH, described, last, named, summary
from harness.serve.batch_requests import ClientException, environment, fair_share, submission


class BatchApi:
    """Takes what the operations take and answers as they do."""

    def __init__(
        self,
        batch: Batch,
        definitions: Mapping[str, JobDefinition],
        launch: Delay,
        idle_s: float,
        warn: Callable[[str], None],
    ) -> None:
        """`definitions` are registered beforehand; `launch` and `idle_s` are those of environments made here.

        `warn` is told of what a definition asks for and does not get here.
        """
        self._batch = batch
        self._launch = launch
        self._idle_s = idle_s
        self._warn = warn
        self._definitions: dict[str, list[JobDefinition]] = {
            name: [each] for name, each in definitions.items()
        }
        self._environments: dict[str, dict[str, Any]] = {}
        self._policies: dict[str, FairShare] = {}

    def register_job_definition(self, asked: dict[str, Any]) -> dict[str, Any]:
        revisions = self._definitions.setdefault(asked["jobDefinitionName"], [])
        made = parse(asked, revision=len(revisions) + 1)
        revisions.append(made)
        for told in made.warnings:
            self._warn(f"{made.reference}: {told}")
        return named("jobDefinition", made.reference, made.name) | {"revision": made.revision}

    def describe_job_definitions(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = {last(name) for name in asked.get("jobDefinitions", ())} or None
        name = asked.get("jobDefinitionName")
        found = [
            {**each.document, **named("jobDefinition", each.reference, each.name), "revision": each.revision,
             "status": "ACTIVE", "type": "container"}
            for each in itertools.chain.from_iterable(self._definitions.values())
            if (name is None or each.name == name) and (wanted is None or wanted & {each.reference, each.name})
        ]  # fmt: skip
        return {"jobDefinitions": found}

    def create_compute_environment(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["computeEnvironmentName"]
        if name in self._batch.environments:
            raise ClientException(f"Object already exists: {name}")
        self._batch.add_environment(environment(asked, self._launch, self._idle_s))
        self._environments[name] = asked.get("computeResources") or {}
        return named("computeEnvironment", name, name, "compute-environment")

    def describe_compute_environments(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = {last(name) for name in asked.get("computeEnvironments", ())}
        found = [
            {
                **named("computeEnvironment", name, name, "compute-environment"),
                "type": "MANAGED", "state": "ENABLED", "status": "VALID", "statusReason": "ComputeEnvironment Healthy",
                "ecsClusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}",
                "computeResources": {
                    "type": each.settings.kind,
                    "maxvCpus": round(each.settings.max_vcpu),
                    "minvCpus": round(each.settings.min_vcpu),
                    "desiredvCpus": round(sum(i.type.vcpu for i in each.instances)),
                    "subnets": list(self._environments.get(name, {}).get("subnets", ())),
                    "instanceTypes": [kind.name for kind in each.settings.types],
                },
            }
            for name, each in self._batch.environments.items()
            if not wanted or name in wanted
        ]  # fmt: skip
        return {"computeEnvironments": found}

    def create_scheduling_policy(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._policies[asked["name"]] = fair_share(asked)
        return {"name": asked["name"], "arn": f"{BATCH}:scheduling-policy/{asked['name']}"}

    def create_job_queue(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["jobQueueName"]
        ordered = sorted(asked.get("computeEnvironmentOrder", ()), key=lambda each: each["order"])
        names = tuple(last(each["computeEnvironment"]) for each in ordered)
        unknown = [each for each in names if each not in self._batch.environments]
        if name in self._batch.queues:
            raise ClientException(f"Object already exists: {name}")
        if unknown or not 1 <= len(names) <= 3:
            raise ClientException(
                f"computeEnvironmentOrder: got {list(names)}, allowed: 1 to 3 of those that exist"
            )
        policy = asked.get("schedulingPolicyArn")
        if policy is not None and last(policy) not in self._policies:
            raise ClientException(f"schedulingPolicyArn: there is no {policy}")
        self._batch.add_queue(
            name, asked["priority"], names, self._policies[last(policy)] if policy else None
        )
        return named("jobQueue", name, name, "job-queue")

    def describe_job_queues(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = {last(name) for name in asked.get("jobQueues", ())}
        found = [
            {
                **named("jobQueue", name, name, "job-queue"),
                "state": "ENABLED", "status": "VALID", "statusReason": "JobQueue Healthy", "priority": queue.priority,
                "computeEnvironmentOrder": [
                    {"order": order, "computeEnvironment": f"{BATCH}:compute-environment/{each}"}
                    for order, each in enumerate(queue.environments, 1)
                ],
            }
            for name, queue in self._batch.queues.items()
            if not wanted or name in wanted
        ]  # fmt: skip
        return {"jobQueues": found}

    def submit_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._batch.submit(submission(asked, self._definition(asked["jobDefinition"])))
        return {"jobArn": f"{BATCH}:job/{job.id}", "jobName": asked["jobName"], "jobId": job.id}

    def describe_jobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = [self._batch.jobs[job_id] for job_id in asked["jobs"] if job_id in self._batch.jobs]
        return {"jobs": [described(job) for job in found]}

    def list_jobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = State(asked.get("jobStatus", "RUNNING" if not asked.get("filters") else "SUBMITTED"))
        jobs: Iterator[AnyJob] = iter(self._batch.jobs.values())
        if array := asked.get("arrayJobId"):
            parent = self._batch.jobs.get(array)
            jobs = iter(parent.children if isinstance(parent, ArrayJob) else ())
        else:
            queue = last(asked.get("jobQueue", ""))
            if queue not in self._batch.queues:
                raise ClientException(f"jobQueue: got {queue!r}, allowed: {sorted(self._batch.queues)}")
            jobs = (j for j in jobs if j.submission.queue == queue and getattr(j, "index", None) is None)
        return {"jobSummaryList": [summary(job) for job in jobs if job.state is wanted]}

    def cancel_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._batch.cancel(self._known(asked["jobId"]), asked["reason"])
        return {}

    def terminate_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._batch.terminate(self._known(asked["jobId"]), asked["reason"])
        return {}

    def _known(self, job_id: str) -> str:
        if job_id not in self._batch.jobs:
            raise ClientException(f"jobId: there is no job {job_id!r}")
        return job_id

    def _definition(self, named: str) -> JobDefinition:
        name, _, revision = last(named).partition(":")
        revisions = self._definitions.get(name, [])
        found = (
            revisions[-1:] if not revision else [each for each in revisions if str(each.revision) == revision]
        )
        if not found:
            raise ClientException(f"JobDefinition not found: {named}")
        return found[0]
