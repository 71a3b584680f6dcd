"""The bill of a service: tasks that are kept running, behind a load balancer.

Sources, read 2026-11-23: AWS Fargate, Amazon EC2, Elastic Load Balancing, Amazon VPC and Amazon Lightsail pricing
pages. A Lightsail container service has its load balancer included; instances of Lightsail stand alone.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from harness.cost.arms import LIGHTSAIL, Arm
from harness.cost.demand import MEASURED, MODELLED, Demand
from harness.cost.figures import Figures
from harness.cost.machines import Parts, fargate_parts, instance_parts, per_instance
from harness.cost.quantity import Proportional, Quantity, Stepped, Summed
from harness.cost.terms import MONTH_DAYS, MONTH_H, Shape
from harness.sizes import LIGHTSAIL_CONTAINERS, LIGHTSAIL_INSTANCES, Bundle

# A load balancer's capacity unit has 25 new connections a second, among others; each item is taken to open one.
CONNECTIONS_PER_LCU_S = 25
# It stands in two availability zones, with an address in each.
BALANCER_ADDRESSES = 2


@dataclass(frozen=True, slots=True)
class Carrying:
    """What one task carries, in items a second, and why."""

    rate_per_s: float
    utilisation: float
    why: str

    @property
    def usable_per_s(self) -> float:
        """At the utilisation that is allowed."""
        return self.rate_per_s * self.utilisation


def demands(arm: Arm, figures: Figures, carrying: Carrying, shape: Shape) -> list[Demand]:
    """What a month takes. Without scaling there are as many tasks as the busiest hour needs, all the time."""
    if arm.compute in LIGHTSAIL:
        return _lightsail(arm, figures, carrying, shape)
    own, in_one = (
        (instance_parts(arm), per_instance(arm)) if arm.compute == "EC2" else (fargate_parts(arm), 1)
    )
    why = (
        f"a task carries {carrying.usable_per_s:.4g} items/s: {carrying.rate_per_s:.4g} measured x "
        f"{carrying.utilisation:.3g} ({carrying.why}); {in_one} in one, {shape}"
    )
    return [*_of_tasks(arm, own, in_one, carrying, shape, why), *_balancer()]


def _of_tasks(
    arm: Arm, parts: Parts, in_one: int, carrying: Carrying, shape: Shape, why: str
) -> list[Demand]:
    return [
        Demand(part, key, steps(arm, per_hour, carrying.usable_per_s, in_one, shape), why, MEASURED)
        for part, key, per_hour in parts
    ]


def steps(arm: Arm, per_hour: float, usable_per_s: float, in_one: int, shape: Shape) -> Quantity:
    """Units of a month, `per_hour` in each hour of a task (or of an instance with `in_one` tasks)."""
    scaling = arm.settings.get("scaling")
    least = math.ceil(
        (scaling["min_tasks"] if scaling else int(arm.settings.get("tasks") or arm.parallel)) / in_one
    )
    # Items of a day's hour that one carries, as items of the whole month.
    hour = usable_per_s * in_one * 3600 * MONTH_DAYS
    if not scaling:
        return Stepped(per_hour * MONTH_H, hour / shape.busiest(), least)
    # Hours before and after noon have the same share, but for the last digit of a float.
    hours = Counter(round(share, 12) for share in shape.shares())
    return Summed(tuple(
        Stepped(per_hour * MONTH_DAYS * count, hour / share, least) if share
        else Proportional(fixed=per_hour * MONTH_DAYS * count * least)
        for share, count in sorted(hours.items())
    ))  # fmt: skip


def _balancer() -> list[Demand]:
    connections = Proportional(each=1 / CONNECTIONS_PER_LCU_S / 3600)
    return [
        Demand("load balancer", "load_balancer_hour", Proportional(fixed=MONTH_H), "one, all month"),
        Demand(
            "load balancer", "load_balancer_lcu_hour", connections,
            "an item opens a connection; 25 a second are one unit", MODELLED,
        ),
        Demand(
            "public IPv4", "public_ipv4_hour", Proportional(fixed=BALANCER_ADDRESSES * MONTH_H),
            "the load balancer in two zones",
        ),
    ]  # fmt: skip


def _lightsail(arm: Arm, figures: Figures, carrying: Carrying, shape: Shape) -> list[Demand]:
    """A fixed price a month. An instance may use its baseline of CPU for ever, and no more."""
    name = str(arm.settings.get("bundle"))
    carried_per_s = usable_per_s(arm, figures, carrying)
    baseline = _bundle(arm).baseline
    limit = f", held to its CPU baseline of {baseline:.0%}" if carried_per_s < carrying.usable_per_s else ""
    why = f"a {name} carries {carried_per_s:.4g} items/s ({carrying.why}{limit}), {shape}"
    quantity = steps(arm, 1 / MONTH_H, carried_per_s, 1, shape)
    return [Demand("bundles", f"lightsail_{LIGHTSAIL[arm.compute]}_{name}_month", quantity, why)]


def usable_per_s(arm: Arm, figures: Figures, carrying: Carrying) -> float:
    """Items a second that one task carries for ever: an instance of Lightsail no more than its baseline of CPU does."""
    bundle = _bundle(arm) if arm.compute in LIGHTSAIL else None
    if bundle is None or bundle.baseline >= 1:
        return carrying.usable_per_s
    return min(carrying.usable_per_s, bundle.baseline * bundle.size.vcpu / figures.cpu_s)


def _bundle(arm: Arm) -> Bundle:
    bundles = LIGHTSAIL_CONTAINERS if arm.compute == "LIGHTSAIL_CONTAINERS" else LIGHTSAIL_INSTANCES
    return bundles[str(arm.settings.get("bundle"))]
