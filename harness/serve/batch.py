"""The AWS Batch API in front of a control plane that runs here, for boto3 (`endpoint_url`) and the AWS CLI.

Which operations there are, where they listen and what they take comes from botocore's model of AWS Batch.
Source: AWS Batch API Reference, read 2026-11-24.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast, get_args

import botocore.session
from aiohttp import web
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from harness.placements.batch.control import Batch
from harness.placements.batch.definition import (
    DefinitionError,
    JobDefinition,
    environment_of,
    parse,
    retries_of,
    timeout_of,
)
from harness.placements.batch.jobs import AnyJob, ArrayJob, Dependency, Submission, SubmitError
from harness.placements.batch.queues import FairShare
from harness.placements.batch.states import State
from harness.placements.capacity import Delay, EnvironmentSettings, InstanceType, Strategy
from harness.placements.function.runtime_api import ACCOUNT, REGION
from harness.serve.batch_documents import BATCH, described, last, named, summary

# vCPU and MB of the types that are asked for most; others are refused by name. AWS: "Instance types".
TYPES = {
    "optimal": ((2, 4096), (4, 8192), (8, 16_384)),
    **{
        f"{family}.{size}": ((vcpu, round(vcpu * gb_per_vcpu * 1024)),)
        for family, gb_per_vcpu in (
            ("c5", 2),
            ("c6i", 2),
            ("c7i", 2),
            ("m5", 4),
            ("m6i", 4),
            ("m7i", 4),
            ("r5", 8),
        )
        for size, vcpu in (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16))
    },
}


class ClientException(Exception):
    """What AWS answers to a request that makes no sense."""


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
        name, resources = asked["computeEnvironmentName"], asked.get("computeResources") or {}
        if name in self._batch.environments:
            raise ClientException(f"Object already exists: {name}")
        kind = resources.get("type", "EC2")
        if kind not in {"EC2", "SPOT", "FARGATE"}:
            raise ClientException(f"computeResources.type: got {kind!r}, allowed here: EC2, SPOT, FARGATE")
        self._batch.add_environment(
            EnvironmentSettings(
                name=name,
                kind=kind,
                max_vcpu=resources.get("maxvCpus", 0),
                min_vcpu=0 if kind == "FARGATE" else resources.get("minvCpus", 0),
                types=()
                if kind == "FARGATE"
                else tuple(_types(resources.get("instanceTypes") or ["optimal"])),
                launch=self._launch,
                idle_s=self._idle_s,
                strategy=_strategy(resources.get("allocationStrategy", "BEST_FIT")),
            )
        )
        self._environments[name] = resources
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
        policy = asked.get("fairsharePolicy") or {}
        weights = {
            each["shareIdentifier"]: each.get("weightFactor", 1.0)
            for each in policy.get("shareDistribution", ())
        }
        self._policies[asked["name"]] = FairShare(weights=weights, decay_s=policy.get("shareDecaySeconds", 0))
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
        definition = self._definition(asked["jobDefinition"])
        changes = asked.get("containerOverrides") or {}
        sizes = {each["type"]: float(each["value"]) for each in changes.get("resourceRequirements", ())}
        memory_mb = sizes.get("MEMORY", changes.get("memory"))
        submission = Submission(
            name=asked["jobName"],
            queue=last(asked["jobQueue"]),
            definition=definition,
            parameters=asked.get("parameters") or {},
            environment=environment_of(changes.get("environment", ())),
            command=tuple(changes["command"]) if changes.get("command") else None,
            vcpu=sizes.get("VCPU", changes.get("vcpus")),
            memory_mb=None if memory_mb is None else int(memory_mb),
            retries=retries_of(asked["retryStrategy"]) if asked.get("retryStrategy") else None,
            timeout_s=timeout_of(asked.get("timeout") or {}),
            array_size=(asked.get("arrayProperties") or {}).get("size"),
            depends_on=tuple(
                Dependency(each.get("jobId"), each.get("type", "")) for each in asked.get("dependsOn", ())
            ),
            share=asked.get("shareIdentifier", ""),
            priority=asked.get("schedulingPriorityOverride"),
        )
        command = replace(definition, command=submission.command or definition.command)
        command.command_for(submission.parameters)  # a Ref:: without a value is refused now
        job = self._batch.submit(submission)
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


def add_routes(app: web.Application, api: BatchApi) -> None:
    """Serve every operation that the API has a method for."""
    for operation in _model().operation_names:
        model = _model().operation_model(operation)
        method = getattr(api, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), None)
        if method is not None:
            app.router.add_route(model.http["method"], model.http["requestUri"], _answering(model, method))


def _answering(
    model: OperationModel, method: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(http: web.Request) -> web.Response:
        try:
            asked = json.loads(await http.read() or b"{}")
            assert model.input_shape is not None
            report = ParamValidator().validate(asked, model.input_shape)
            if report.has_errors():
                raise ClientException(report.generate_report())
            return web.json_response(method(asked))
        except (ClientException, DefinitionError, SubmitError, ValueError) as error:
            headers = {"x-amzn-ErrorType": "ClientException"}
            return web.json_response({"message": str(error)}, status=400, headers=headers)

    return handle


def _strategy(name: str) -> Strategy:
    if name not in get_args(Strategy):
        raise ClientException(f"allocationStrategy: got {name!r}, allowed: {', '.join(get_args(Strategy))}")
    return cast(Strategy, name)


def _types(names: list[str]) -> Iterator[InstanceType]:
    for name in names:
        if name not in TYPES:
            raise ClientException(f"instanceTypes: got {name!r}, allowed here: {sorted(TYPES)}")
        yield from (InstanceType(name, vcpu, memory_mb) for vcpu, memory_mb in TYPES[name])


@cache
def _model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("batch")
