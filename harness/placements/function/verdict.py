"""What a try at an invocation came to, in Lambda's words."""

from __future__ import annotations

from dataclasses import dataclass

from harness.placements.function.invocation import Request
from harness.placements.function.runtime import EnvironmentEnded
from harness.placements.function.runtime_api import Answer, InitError, error_document
from harness.rows import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, or what stands in its place; `alive` tells whether the runtime may be given another event."""

    answer: Answer
    outcome: Outcome
    error: str
    alive: bool


def answered(answer: Answer) -> Verdict:
    """The function answered, be it with an error."""
    if answer.error_type is not None:
        return Verdict(answer, Outcome.ERROR, answer.error_text, alive=True)
    return Verdict(answer, Outcome.OK, "", alive=True)


def not_initialised(error: InitError) -> Verdict:
    """The runtime told that it cannot begin."""
    return Verdict(error.answer, Outcome.ERROR, error.answer.error_text, alive=False)


def ended(request: Request, error: EnvironmentEnded) -> Verdict:
    """The runtime ended in place of an answer."""
    outcome = Outcome.OUT_OF_MEMORY if error.end.out_of_memory else Outcome.ERROR
    return fault(request, outcome, "Runtime.ExitError", str(error))


def fault(request: Request, outcome: Outcome, error_type: str, told: str) -> Verdict:
    """An error that Lambda itself tells of, after which the runtime is of no more use."""
    body = error_document(error_type, f"RequestId: {request.request_id} Error: {told}")
    answer = Answer(body=body, error_type=error_type)
    return Verdict(answer, outcome, told if outcome is Outcome.TIMEOUT else answer.error_text, alive=False)
