"""How many invocations may be under way at once, and how fast a function gains environments.

Source: AWS Lambda Developer Guide, "Understanding Lambda function scaling" and "Lambda scaling behavior", read
2026-11-23: 1,000 at once for an account and region, of which reserved ones belong to one function alone; each function
gains at most 1,000 environments every 10 s, refilled continuously.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.placements.function.invocation import throttled

WINDOW_NS = 10_000_000_000


@dataclass(slots=True)
class Account:
    """What the functions of one account share: `limit` invocations at once, less what is reserved."""

    limit: int
    reserved: dict[str, int] = field(default_factory=dict)
    _under_way: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def invocation(self, function: str) -> Iterator[None]:
        """One invocation, while it lasts. Refused at the limit of the function or of the account."""
        if function in self.reserved:
            pool, limit, reason = (
                function,
                self.reserved[function],
                "ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        else:
            pool, limit, reason = (
                "",
                self.limit - sum(self.reserved.values()),
                "ConcurrentInvocationLimitExceeded",
            )
        if self._under_way.get(pool, 0) >= limit:
            raise throttled(reason)
        self._under_way[pool] = self._under_way.get(pool, 0) + 1
        try:
            yield
        finally:
            self._under_way[pool] -= 1


class ScalingRate:
    """A bucket of environments that may be added now; time comes in as UTC ns. In whole numbers, so it is exact."""

    def __init__(self, per_window: int, now_ns: int) -> None:
        self._per_window = per_window
        # What one environment costs is WINDOW_NS; each ns brings `per_window`.
        self._left = per_window * WINDOW_NS
        self._seen_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Add one environment, if one may be added."""
        refilled = self._left + (now_ns - self._seen_ns) * self._per_window
        self._left = min(self._per_window * WINDOW_NS, refilled)
        self._seen_ns = now_ns
        if self._left < WINDOW_NS:
            return False
        self._left -= WINDOW_NS
        return True
