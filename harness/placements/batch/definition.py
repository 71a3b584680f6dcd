"""Job definitions in the shape of AWS Batch's RegisterJobDefinition, as pasted from an account.

botocore's own model of that call checks them; what is valid on AWS and cannot be honoured here is listed, never dropped
in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

from harness.placements.batch.retries import RetryStrategy, Rule

# What DescribeJobDefinitions adds, and a person who pastes from there has.
TOLD_BY_AWS = frozenset({"jobDefinitionArn", "revision", "status", "containerOrchestrationType"})
HONOURED = frozenset(
    {
        "jobDefinitionName", "type", "parameters", "schedulingPriority", "platformCapabilities", "tags",
        "retryStrategy.attempts", "retryStrategy.evaluateOnExit", "timeout.attemptDurationSeconds",
        "containerProperties.image", "containerProperties.command", "containerProperties.environment",
        "containerProperties.resourceRequirements", "containerProperties.vcpus", "containerProperties.memory",
        "containerProperties.ulimits", "containerProperties.linuxParameters.tmpfs",
        "containerProperties.linuxParameters.initProcessEnabled",
        "containerProperties.linuxParameters.sharedMemorySize",
    }
)  # fmt: skip
READ_ONLY = (
    "containerProperties.readonlyRootFilesystem: the root is read-only here; /tmp and tmpfs can be written"
)
# What is asked for and holds anyway.
HOLDS = {
    "containerProperties.readonlyRootFilesystem": True,
    "containerProperties.privileged": False,
    "containerProperties.linuxParameters.maxSwap": 0,
    "containerProperties.networkConfiguration.assignPublicIp": "DISABLED",
}
MB = 1024 * 1024
SHORTEST_TIMEOUT_S = 60
MOST_ATTEMPTS, MOST_RULES = 10, 5
RESERVED = "AWS_BATCH_"
REFERENCE = re.compile(r"Ref::([A-Za-z0-9_.-]+)")


class DefinitionError(ValueError):
    """A job definition that AWS would refuse; the text names key, value and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """What one job is made of. `warnings` are keys that cannot be honoured here."""

    name: str
    revision: int = 1
    image: str | None = None
    command: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    vcpu: float
    memory_mb: int
    retries: RetryStrategy = field(default_factory=RetryStrategy)
    timeout_s: float | None = None
    platform: str = "EC2"
    priority: int = 0
    open_files: int = 1024
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    shared_memory_bytes: int | None = None
    init: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`name:revision`, as jobs name it."""
        return f"{self.name}:{self.revision}"

    def command_for(self, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """The command with each `Ref::name` replaced; DefinitionError for one without a value."""
        known = {**self.parameters, **parameters}
        return tuple(_replaced(word, known) for word in self.command)


def parse(document: Mapping[str, Any], revision: int = 1) -> JobDefinition:
    """A definition from AWS's JSON. DefinitionError names everything that AWS would refuse."""
    asked = {key: value for key, value in document.items() if key not in TOLD_BY_AWS and value is not None}
    report = ParamValidator().validate(asked, _shape("RegisterJobDefinition"))
    if report.has_errors():
        raise DefinitionError(report.generate_report())
    if asked.get("type", "container") != "container" or "containerProperties" not in asked:
        raise DefinitionError(
            f"type: got {asked.get('type')!r}, allowed: container, with containerProperties"
        )
    container = asked["containerProperties"]
    linux = container.get("linuxParameters") or {}
    shared_mb = linux.get("sharedMemorySize")
    warnings = [f"{path}: not honoured here" for path in _unhonoured(asked)]
    if not container.get("readonlyRootFilesystem"):
        warnings.append(READ_ONLY)
    platform = (asked.get("platformCapabilities") or ["EC2"])[0]
    return JobDefinition(
        name=asked["jobDefinitionName"],
        revision=revision,
        image=container.get("image"),
        command=tuple(container.get("command") or ()),
        parameters=asked.get("parameters") or {},
        environment=environment_of(container.get("environment") or ()),
        vcpu=_resource(container, "VCPU", "vcpus"),
        memory_mb=int(_resource(container, "MEMORY", "memory")),
        retries=retries_of(asked.get("retryStrategy") or {}),
        timeout_s=timeout_of(asked.get("timeout") or {}),
        platform=platform,
        priority=asked.get("schedulingPriority", 0),
        open_files=_open_files(container.get("ulimits") or ()),
        tmpfs={each["containerPath"]: each["size"] * MB for each in linux.get("tmpfs") or ()},
        shared_memory_bytes=None if shared_mb is None else shared_mb * MB,
        init=bool(linux.get("initProcessEnabled")),
        document=asked,
        warnings=tuple(warnings),
    )


def environment_of(pairs: Any) -> dict[str, str]:
    """From AWS's list of names and values."""
    found = {str(pair["name"]): str(pair.get("value", "")) for pair in pairs}
    for name in found:
        if name.startswith(RESERVED):
            raise DefinitionError(f"environment: {name}: names that begin with {RESERVED} are Batch's own")
    return found


def retries_of(document: Mapping[str, Any]) -> RetryStrategy:
    """From AWS's `retryStrategy`."""
    attempts, rules = document.get("attempts", 1), document.get("evaluateOnExit") or ()
    if not 1 <= attempts <= MOST_ATTEMPTS:
        raise DefinitionError(f"retryStrategy.attempts: got {attempts}, allowed: 1 to {MOST_ATTEMPTS}")
    if len(rules) > MOST_RULES:
        raise DefinitionError(f"retryStrategy.evaluateOnExit: got {len(rules)} rules, allowed: {MOST_RULES}")
    if rules and "attempts" not in document:
        raise DefinitionError("retryStrategy.evaluateOnExit: goes with attempts, which is missing")
    return RetryStrategy(attempts=attempts, rules=tuple(_rule(rule) for rule in rules))


def timeout_of(document: Mapping[str, Any]) -> float | None:
    """From AWS's `timeout`, in seconds."""
    timeout_s = document.get("attemptDurationSeconds")
    if timeout_s is not None and timeout_s < SHORTEST_TIMEOUT_S:
        raise DefinitionError(
            f"timeout.attemptDurationSeconds: got {timeout_s}, allowed: {SHORTEST_TIMEOUT_S} or more"
        )
    return None if timeout_s is None else float(timeout_s)


def _rule(document: Mapping[str, Any]) -> Rule:
    action = str(document["action"]).upper()
    if action not in {"RETRY", "EXIT"}:
        raise DefinitionError(f"evaluateOnExit.action: got {document['action']!r}, allowed: RETRY, EXIT")
    for key in ("onStatusReason", "onReason", "onExitCode"):
        if "*" in document.get(key, "")[:-1]:
            raise DefinitionError(
                f"evaluateOnExit.{key}: got {document[key]!r}, allowed: an asterisk at the end only"
            )
    return Rule(
        action="RETRY" if action == "RETRY" else "EXIT",
        on_status_reason=document.get("onStatusReason"),
        on_reason=document.get("onReason"),
        on_exit_code=document.get("onExitCode"),
    )


def _resource(container: Mapping[str, Any], kind: str, old_key: str) -> float:
    """A resource requirement, or the older key for it."""
    named = {each["type"]: each["value"] for each in container.get("resourceRequirements") or ()}
    found = named.get(kind, container.get(old_key))
    try:
        value = float(found) if found is not None else 0.0
    except ValueError:
        value = 0.0
    if value <= 0:
        raise DefinitionError(
            f"containerProperties.resourceRequirements: {kind}: got {found!r}, allowed: a number above 0"
        )
    return value


def _open_files(limits: Any) -> int:
    return int(next((each["softLimit"] for each in limits if each["name"] == "nofile"), 1024))


def _replaced(word: str, known: Mapping[str, str]) -> str:
    named = REFERENCE.fullmatch(word)
    if named is None:
        return word
    if named[1] not in known:
        raise DefinitionError(f"command: {word}: parameters has no {named[1]!r}")
    return known[named[1]]


def _unhonoured(document: Mapping[str, Any]) -> Iterator[str]:
    """Paths of what was asked for and is not done here."""
    for path, value in _leaves("", document):
        if path == "containerProperties.resourceRequirements":
            yield from (f"{path}: {each['type']}" for each in value if each["type"] not in {"VCPU", "MEMORY"})
        elif path == "containerProperties.ulimits":
            yield from (f"{path}: {each['name']}" for each in value if each["name"] != "nofile")
        elif not any(path == known or path.startswith(f"{known}.") for known in HONOURED):
            holds = path in HOLDS and HOLDS[path] == value
            if not holds and value not in ({}, [], (), None, False):
                yield path


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and path not in HONOURED:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}".lstrip("."), inner)
    else:
        yield path, value


@cache
def _shape(operation: str) -> Shape:
    model = botocore.session.get_session().get_service_model("batch")
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    return shape
