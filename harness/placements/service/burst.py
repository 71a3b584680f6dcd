"""CPU credits of a Lightsail instance: modelled, since AWS alone knows what an instance has saved.

Source: Amazon Lightsail documentation, "CPU utilization and burst capacity", read 2026-11-24: an instance saves what it
uses less than its baseline, and may use its whole vCPUs as long as it has something saved; after that its baseline.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BurstCredits:
    """`baseline_vcpu` may be used for ever, `full_vcpu` while `credits_vcpu_s` last; `most_vcpu_s` can be saved."""

    full_vcpu: float
    baseline_vcpu: float
    credits_vcpu_s: float
    most_vcpu_s: float

    def spend(self, used_vcpu_s: float, seconds: float) -> float:
        """Account for what was used in so many seconds; returns the vCPUs that it may use from now on."""
        saved_vcpu_s = self.baseline_vcpu * seconds - used_vcpu_s
        self.credits_vcpu_s = min(self.most_vcpu_s, max(0.0, self.credits_vcpu_s + saved_vcpu_s))
        return self.full_vcpu if self.credits_vcpu_s > 0 else self.baseline_vcpu
