"""HAProxy before the tasks of a service: in a container of its own, told of tasks through its runtime API.

Least connections, active health checks, no request before a task's first check has passed or while it drains. A request
that could not be handed over at all (its connection was refused) goes to another task, which AWS's load balancer would
answer with 502.
"""

from harness.placements.service.haproxy.balancer import Haproxy

__all__ = ["Haproxy"]
