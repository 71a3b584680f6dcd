"""The service placement: tasks that are kept running behind a load balancer, as ECS keeps them."""

from harness.placements.service.containers import KIND, limits
from harness.placements.service.placement import ServicePlacement

__all__ = ["KIND", "ServicePlacement", "limits"]
