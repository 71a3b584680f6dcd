"""What goes into an invocation and what comes out of it, whoever invokes: a run's placement or the Invoke API."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from harness.placements.attempts import ColdParts
from harness.placements.function.logs import InvocationLog
from harness.rows import Outcome

VERSION = "$LATEST"
# AWS Lambda Developer Guide, "Lambda quotas", read 2026-11-23; asynchronous events: 256 KB until late 2025.
REQUEST_BYTES = 6 * 1024 * 1024
RESPONSE_BYTES = 6 * 1024 * 1024 + 100  # the limit that Lambda's own error message names: 6291556
EVENT_BYTES = 1024 * 1024

# Takes a streamed answer piece by piece.
Sink = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One event for a function. `client_context` is JSON text, as clients send it in base64."""

    payload: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_context: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """How an invocation went. `payload` is the answer, or the error document where `function_error` is set.

    Times are UTC ns. `duration_s` is Lambda's Duration: from the moment the event was given to its environment until
    the answer, the second try of a failed INIT included; `cold` is None in a warm environment.
    """

    request_id: str
    outcome: Outcome
    payload: bytes
    content_type: str = "application/json"
    function_error: str | None = None
    error: str = ""
    environment: str = ""
    cold: ColdParts | None = None
    queue_s: float = 0.0
    given_ns: int = 0
    done_ns: int = 0
    duration_s: float | None = None
    billed_s: float | None = None
    memory_peak_bytes: int | None = None
    container_cpu_s: float | None = None
    log: InvocationLog | None = None

    @property
    def ok(self) -> bool:
        """Whether the function answered without an error."""
        return self.function_error is None


class Refused(RuntimeError):
    """Lambda would not take the invocation: `code` is the name of its exception, `status` that of HTTP."""

    def __init__(self, status: int, code: str, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.reason = reason


def throttled(reason: str) -> Refused:
    """No environment is free and none may be added; `reason` tells which limit it was."""
    return Refused(429, "TooManyRequestsException", "Rate Exceeded.", reason)


def too_large(limit_bytes: int) -> Refused:
    """The payload is larger than Lambda takes."""
    message = f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation"
    return Refused(413, "RequestTooLargeException", message)
