"""CPU credits of a Lightsail instance: modelled, since AWS alone knows what an instance has saved.

Source: Amazon Lightsail documentation, "CPU utilization and burst capacity", read 2026-11-24: an instance saves what it
uses less than its baseline, and may use its whole vCPUs as long as it has something saved; after that its baseline.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BurstCredits:
    """`baseline_vcpu` may be used for ever, `full_vcpu` while there is something saved; `most_vcpu_s` can be saved.

    What was used beyond it is owed: the balance may be below zero, and the whole vCPUs come back only once a period of
    them is saved.
    """

    full_vcpu: float
    baseline_vcpu: float
    balance_vcpu_s: float
    most_vcpu_s: float
    bursting: bool = True

    def spend(self, used_vcpu_s: float, seconds: float) -> float:
        """Account for what was used in so many seconds; returns the vCPUs that it may use from now on."""
        saved_vcpu_s = self.baseline_vcpu * seconds - used_vcpu_s
        self.balance_vcpu_s = min(self.most_vcpu_s, self.balance_vcpu_s + saved_vcpu_s)
        enough_vcpu_s = 0.0 if self.bursting else self.full_vcpu * seconds
        self.bursting = self.balance_vcpu_s > enough_vcpu_s
        return self.full_vcpu if self.bursting else min(self.baseline_vcpu, self.full_vcpu)
