"""Every kind of placement, by the name that scenario files use. A new one is one file and one line here."""

from __future__ import annotations

from typing import Any

from harness.engines.base import Limits
from harness.placements import batch, function, service
from harness.placements.base import Bench, Placement

MODULES: dict[str, tuple[Any, Any]] = {
    function.KIND: (function.FunctionPlacement, function.limits),
    batch.KIND: (batch.BatchPlacement, batch.limits),
    service.KIND: (service.ServicePlacement, service.limits),
}

# What a reader must know of each when comparing: it is printed on every report.
DIFFERENCES = {
    function.KIND: "starts from nothing in each block, and is called over the Lambda Runtime API; at max_environments "
    "invocations wait, where AWS would add environments; the delays of retries are scaled by time_scale",
    batch.KIND: "waits to collect items, then starts and ends a container for each job; has no network; to launch an "
    "instance takes what the scenario assumes, by default nothing",
    service.KIND: "is up and healthy before the first item, and is called over HTTP, through a load balancer "
    "where there is one; what launching a task takes later on is what the scenario assumes, by default nothing",
}


def build(bench: Bench, settings: Any) -> Placement:
    """The placement for these settings."""
    placement: Placement = MODULES[settings.kind][0](bench, settings)
    return placement


def limits(settings: Any) -> Limits:
    """What one container of it may use."""
    found: Limits = MODULES[settings.kind][1](settings)
    return found
