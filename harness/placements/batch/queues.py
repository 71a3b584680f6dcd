"""Job queues: who is next, by priority, by the order of submission, or by fair share.

Source: AWS Batch User Guide, "Job queues" and "Fair-share scheduling policies", read 2026-11-24.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.placements.batch.jobs import Job
from harness.placements.batch.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class FairShare:
    """`weights` by share identifier: half the weight is twice the share; 1 if not named.

    Use of vCPUs counts for `decay_s`, falling off with time; 0 counts what runs now alone.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    decay_s: float = 0.0


class JobQueue:
    """The RUNNABLE jobs of one queue. Times are UTC ns."""

    def __init__(
        self, name: str, priority: int, environments: tuple[str, ...], policy: FairShare | None = None
    ) -> None:
        self.name = name
        self.priority = priority
        self.environments = environments
        self._policy = policy
        self._ready: dict[str, list[tuple[int, int, Job]]] = {}
        self._running_vcpu: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._seen_ns = 0

    def add(self, job: Job) -> None:
        """It may run."""
        share = job.submission.share if self._policy else ""
        heapq.heappush(self._ready.setdefault(share, []), (-job.priority, job.number, job))

    def next(self, now_ns: int) -> Job | None:
        """Who is to run next; it stays until `take`."""
        self._age(now_ns)
        for share in self._order():
            ready = self._ready[share]
            while ready and ready[0][2].state is not State.RUNNABLE:  # cancelled
                heapq.heappop(ready)
            if ready:
                return ready[0][2]
        return None

    def take(self, job: Job) -> None:
        """The `next` one starts."""
        share = job.submission.share if self._policy else ""
        heapq.heappop(self._ready[share])
        self._running_vcpu[share] = self._running_vcpu.get(share, 0.0) + job.vcpu

    def give_back(self, job: Job, now_ns: int) -> None:
        """An attempt at it is over."""
        self._age(now_ns)
        share = job.submission.share if self._policy else ""
        self._running_vcpu[share] -= job.vcpu

    def waiting(self) -> Iterator[Job]:
        """Every job that may run, in no order."""
        for ready in self._ready.values():
            yield from (job for _, _, job in ready if job.state is State.RUNNABLE)

    def _order(self) -> list[str]:
        """Shares, the one that is furthest below its due first."""
        if self._policy is None:
            return list(self._ready)
        weights = self._policy.weights
        return sorted(
            self._ready,
            key=lambda share: (
                (self._used.get(share, 0.0) + self._running_vcpu.get(share, 0.0)) * weights.get(share, 1.0)
            ),
        )

    def _age(self, now_ns: int) -> None:
        """Past use, in vCPUs averaged over the decay time: it falls as e falls, and running jobs add to it."""
        passed_s, self._seen_ns = (now_ns - self._seen_ns) / 1e9, now_ns
        if self._policy is None or self._policy.decay_s <= 0:
            return
        kept = max(0.0, 1 - passed_s / self._policy.decay_s)
        for share in {*self._used, *self._running_vcpu}:
            running = self._running_vcpu.get(share, 0.0)
            self._used[share] = self._used.get(share, 0.0) * kept + running * (1 - kept)
