"""The states of a job, and which may follow which.

Source: AWS Batch User Guide, "Job states", read 2026-11-24: PENDING is for jobs with dependencies, and for the parents
of arrays until their children have ended; a job that is tried again is RUNNABLE again.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self in {State.SUCCEEDED, State.FAILED}


FOLLOWING: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.PENDING, State.RUNNABLE, State.FAILED}),
    State.PENDING: frozenset({State.RUNNABLE, State.FAILED}),
    State.RUNNABLE: frozenset({State.STARTING, State.FAILED}),
    State.STARTING: frozenset({State.RUNNING, State.RUNNABLE, State.FAILED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.RUNNABLE, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
}
# The parent of an array never runs itself.
FOLLOWING_OF_PARENT: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.PENDING, State.FAILED}),
    State.PENDING: frozenset({State.SUCCEEDED, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
}


class IllegalTransition(RuntimeError):
    """A job was to go where none may go: a defect of the harness."""


def check(old: State, new: State, *, parent: bool = False) -> None:
    """IllegalTransition unless `new` may follow `old`."""
    following = FOLLOWING_OF_PARENT if parent else FOLLOWING
    if new not in following.get(old, frozenset()):
        raise IllegalTransition(f"{old} to {new} of {'an array' if parent else 'a job'}")
