"""What the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "warning", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `mend` says what to do about it; empty where the verdict is good."""

    topic: str
    value: str
    verdict: Verdict
    mend: str = ""


def good(topic: str, value: str) -> Finding:
    """A finding with nothing to mend."""
    return Finding(topic=topic, value=value, verdict="good")


def missing(topic: str, value: str, mend: str) -> Finding:
    """Something without which runs fail or fall back to another engine."""
    return Finding(topic=topic, value=value, verdict="missing", mend=mend)


def judged(topic: str, value: str, is_good: bool, mend: str) -> Finding:
    """Good, or else a warning with what mends it."""
    return good(topic, value) if is_good else Finding(topic=topic, value=value, verdict="warning", mend=mend)
