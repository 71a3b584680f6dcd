"""HAProxy before the tasks of a service: in a container of its own, told of tasks through its runtime API.

Least connections, active health checks, no request before a task's first check has passed or while it drains; where
the checks of all fail, all have requests, as with AWS's (a second backend has the same servers, unchecked). A request
that could not be handed over at all (its connection was refused) goes to another task, which AWS's load balancer would
answer with 502.
"""

from harness.placements.service.haproxy.balancer import Haproxy

__all__ = ["Haproxy"]
