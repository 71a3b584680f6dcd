"""Whether a job that failed is tried again.

Source: AWS Batch API Reference, "RetryStrategy" and "EvaluateOnExit", read 2026-11-24: 1 to 10 attempts; at most five
rules, of which the first that matches decides; the conditions of one rule have to hold together; a condition is a text
that may end in an asterisk; without a match it is tried again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Action = Literal["RETRY", "EXIT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one attempt ended, in AWS's words. `exit_code` is None where no container ran to its end."""

    exit_code: int | None
    reason: str = ""
    status_reason: str = "Essential container in task exited"
    # A timeout ends the job, whatever its retry strategy says.
    final: bool = False

    @property
    def ok(self) -> bool:
        """Whether the attempt succeeded."""
        return self.exit_code == 0 and not self.final and not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of `evaluateOnExit`; a condition that is None always holds."""

    action: Action
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def matches(self, ending: Ending) -> bool:
        """Whether all its conditions hold."""
        code = "" if ending.exit_code is None else str(ending.exit_code)
        pairs = (
            (self.on_status_reason, ending.status_reason),
            (self.on_reason, ending.reason),
            (self.on_exit_code, code),
        )
        return all(_matches(pattern, text) for pattern, text in pairs if pattern is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStrategy:
    """How often a job is tried, and for what."""

    attempts: int = 1
    rules: tuple[Rule, ...] = ()

    def again(self, ending: Ending, attempts_made: int) -> bool:
        """Whether a job whose last attempt failed in this way is tried again."""
        if ending.final or attempts_made >= self.attempts:
            return False
        action = next((rule.action for rule in self.rules if rule.matches(ending)), "RETRY")
        return action == "RETRY"


def _matches(pattern: str, text: str) -> bool:
    """An asterisk at the end stands for any rest."""
    ending = ".*" if pattern.endswith("*") else ""
    return bool(re.fullmatch(re.escape(pattern.removesuffix("*")) + ending, text, re.DOTALL))
