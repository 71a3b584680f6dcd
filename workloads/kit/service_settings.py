"""How a service serves: the `SERVICE_...` environment variables, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workloads.kit.errors import BadSettings

# prometheus_client's own variable: the folder through which worker processes share their counts.
MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """One field for each variable, in its unit. `threads`, `queue` and the limits hold for each worker process.

    SERVICE_HOST, SERVICE_PORT   where to listen; 127.0.0.1 and 8080
    SERVICE_WORKERS              processes, matched to the vCPUs; 1
    SERVICE_THREADS              items worked on at once; 1
    SERVICE_QUEUE                items that may wait beyond those; 100. One more: 503 with Retry-After
    SERVICE_TIMEOUT_S            time limit of a request, its wait included; 60. 504, or 408 while the body comes
    SERVICE_MAX_BODY_BYTES       largest body; 50 MiB. Over it: 413
    SERVICE_DRAIN_S              time limit of a graceful stop; 30
    SERVICE_ACCESS_LOG           on or off; on
    """

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    threads: int = 1
    queue: int = 100
    timeout_s: float = 60.0
    max_body_bytes: int = 50 * 1024 * 1024
    drain_s: float = 30.0
    access_log: bool = True

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> ServiceSettings:
        """Read the variables that are set; raises BadSettings, which names variable, value and what is allowed."""
        default = cls()
        return cls(
            host=environ.get("SERVICE_HOST", default.host),
            port=_whole(environ, "SERVICE_PORT", default.port, 1, 65_535),
            workers=_whole(environ, "SERVICE_WORKERS", default.workers, 1),
            threads=_whole(environ, "SERVICE_THREADS", default.threads, 1),
            queue=_whole(environ, "SERVICE_QUEUE", default.queue, 0),
            timeout_s=_seconds(environ, "SERVICE_TIMEOUT_S", default.timeout_s),
            max_body_bytes=_whole(environ, "SERVICE_MAX_BODY_BYTES", default.max_body_bytes, 1),
            drain_s=_seconds(environ, "SERVICE_DRAIN_S", default.drain_s),
            access_log=_switch(environ, "SERVICE_ACCESS_LOG", default.access_log),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, least: int, most: int | None = None) -> int:
    text = environ.get(name, str(default))
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise BadSettings(f"{name}={text!r} must be a whole number {allowed}")
    return number


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise BadSettings(f"{name}={text!r} must be a number of seconds above 0")
    return number


def _switch(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name, "on" if default else "off")
    if text not in ("on", "off"):
        raise BadSettings(f"{name}={text!r} must be on or off")
    return text == "on"
