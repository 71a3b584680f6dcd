"""HAProxy's configuration: all but the tasks, which it is told of while it runs."""

from __future__ import annotations

from pathlib import Path

from harness.placements.service.haproxy.runtime_api import BACKEND, UNCHECKED
from harness.scenario import ServiceSettings

# Milliseconds of its log are UTC; a task's name is `-` where none was reached.
CONFIGURATION = """\
global
    maxconn 8000
    no strict-limits
    nbthread 1
    log stdout format raw local0 info
    stats socket {socket} mode 600 level admin
defaults
    mode http
    log global
    option dontlognull
    option redispatch
    retries 2
    timeout connect 2s
    timeout client {timeout_ms}ms
    timeout server {timeout_ms}ms
    timeout http-keep-alive 65s
frontend service
    bind "${{SERVICE_ADDRESS}}"
    log-format '{{"at":%[date(0,us)],"client":"%ci","method":"%HM","path":"%HP","status":%ST,"task":"%s","wait_ms":%Tw,\
"connect_ms":%Tc,"answer_ms":%Tr,"total_ms":%Ta,"bytes":%B,"end":"%ts","retries":"%rc","in_hand":%bc}}'
    http-after-response set-header X-Task %[srv_name]
    use_backend {unchecked} if {{ nbsrv({backend}) eq 0 }}
    default_backend {backend}
backend {unchecked}
    balance leastconn
backend {backend}
    balance leastconn
    option httpchk GET /healthz
    http-check expect status 200
    timeout check {check_timeout_ms}ms
"""


def configuration(settings: ServiceSettings, socket: Path) -> str:
    """For one service; its commands are taken on `socket`."""
    return CONFIGURATION.format(
        socket=socket,
        timeout_ms=round(settings.timeout_s * 1000),
        check_timeout_ms=round(settings.target.timeout_s * 1000),
        backend=BACKEND,
        unchecked=UNCHECKED,
    )
