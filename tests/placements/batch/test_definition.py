"""Job definitions as they are pasted from an AWS account."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from harness.placements.batch.definition import DefinitionError, parse

# In the shape of `aws batch describe-job-definitions`, with what people have in theirs.
PASTED: dict[str, Any] = {
    "jobDefinitionName": "resize",
    "jobDefinitionArn": "arn:aws:batch:eu-central-1:123456789012:job-definition/resize:7",
    "revision": 7,
    "status": "ACTIVE",
    "type": "container",
    "schedulingPriority": 5,
    "parameters": {"size": "256"},
    "retryStrategy": {
        "attempts": 3,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onReason": "*", "action": "exit"},
        ],
    },
    "containerProperties": {
        "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/resize:latest",
        "command": ["resize", "--size", "Ref::size", "Ref::item"],
        "jobRoleArn": "arn:aws:iam::123456789012:role/resize",
        "volumes": [],
        "environment": [{"name": "STAGE", "value": "prod"}],
        "mountPoints": [],
        "ulimits": [
            {"name": "nofile", "softLimit": 4096, "hardLimit": 8192},
            {"name": "core", "softLimit": 0, "hardLimit": 0},
        ],
        "resourceRequirements": [
            {"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "1024"}, {"type": "GPU", "value": "1"},
        ],
        "linuxParameters": {"initProcessEnabled": True, "maxSwap": 0, "sharedMemorySize": 128,
                            "tmpfs": [{"containerPath": "/scratch", "size": 64}],
                            "devices": [{"hostPath": "/dev/fuse"}]},
        "logConfiguration": {"logDriver": "awslogs"},
        "readonlyRootFilesystem": True,
        "privileged": False,
        "secrets": [],
    },
    "timeout": {"attemptDurationSeconds": 600},
    "tags": {"team": "pictures"},
    "propagateTags": False,
    "platformCapabilities": ["FARGATE"],
    "containerOrchestrationType": "ECS",
}  # fmt: skip


def test_pasted_json_loads_and_what_cannot_be_honoured_is_listed() -> None:
    found = parse(PASTED, revision=7)
    assert (found.reference, found.vcpu, found.memory_mb) == ("resize:7", 0.5, 1024)
    assert (found.timeout_s, found.platform, found.priority, found.open_files) == (600, "FARGATE", 5, 4096)
    assert found.environment == {"STAGE": "prod"}
    assert (found.tmpfs, found.shared_memory_bytes, found.init) == (
        {"/scratch": 64 * 2**20},
        128 * 2**20,
        True,
    )
    assert found.retries.attempts == 3
    assert [rule.action for rule in found.retries.rules] == ["RETRY", "EXIT"]
    assert found.command_for({"item": "a.jpg"}) == ("resize", "--size", "256", "a.jpg")
    assert found.command_for({"item": "b.jpg", "size": "64"}) == ("resize", "--size", "64", "b.jpg")
    assert set(found.warnings) == {
        "containerProperties.jobRoleArn: not honoured here",
        "containerProperties.logConfiguration.logDriver: not honoured here",
        "containerProperties.linuxParameters.devices: not honoured here",
        "containerProperties.resourceRequirements: GPU: not honoured here",
        "containerProperties.ulimits: core: not honoured here",
    }


def test_the_older_keys_for_size_are_understood() -> None:
    container = {"image": "busybox", "vcpus": 2, "memory": 2048}
    found = parse({"jobDefinitionName": "old", "type": "container", "containerProperties": container})
    assert (found.vcpu, found.memory_mb, found.command) == (2.0, 2048, ())
    assert [told.partition(":")[0] for told in found.warnings] == [
        "containerProperties.readonlyRootFilesystem"
    ]


def changed(path: str, value: Any) -> dict[str, Any]:
    document = deepcopy(PASTED)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("retryStrategy.attempts", 11, "retryStrategy.attempts: got 11, allowed: 1 to 10"),
        ("retryStrategy.evaluateOnExit", [{"action": "RETRY"}] * 6, "got 6 rules, allowed: 5"),
        ("retryStrategy", {"evaluateOnExit": [{"action": "RETRY"}]}, "goes with attempts"),
        ("retryStrategy.evaluateOnExit", [{"action": "again"}], "got 'again', allowed: RETRY, EXIT"),
        (
            "retryStrategy.evaluateOnExit",
            [{"action": "EXIT", "onReason": "a*b"}],
            "an asterisk at the end only",
        ),
        ("timeout.attemptDurationSeconds", 59, "got 59, allowed: 60 or more"),
        ("containerProperties.resourceRequirements", [{"type": "VCPU", "value": "1"}], "MEMORY: got None"),
        (
            "containerProperties.resourceRequirements",
            [{"type": "VCPU", "value": "much"}],
            "VCPU: got 'much', allowed: a number above 0",
        ),
        ("containerProperties.environment", [{"name": "AWS_BATCH_X", "value": ""}], "are Batch's own"),
        ("containerProperties.command", "resize", "Invalid type for parameter containerProperties.command"),
        ("containerProperty", {}, 'Unknown parameter in input: "containerProperty"'),
        ("type", "multinode", "got 'multinode', allowed: container"),
    ],
)
def test_what_aws_would_refuse_is_refused(path: str, value: Any, told: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse(changed(path, value))
    assert told in str(refused.value)


def test_a_reference_without_a_value_is_named() -> None:
    with pytest.raises(DefinitionError, match="Ref::item: parameters has no 'item'"):
        parse(PASTED).command_for({})
