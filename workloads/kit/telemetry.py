"""What a service tells of its requests: Prometheus metrics, and an access log in JSON lines.

prometheus_client decides when it is imported, by PROMETHEUS_MULTIPROC_DIR, whether processes share their values.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workloads.kit.service_settings import MULTIPROC_DIR

# One worker would tell them and several would not.
disable_created_metrics()
PROBES = ("/healthz", "/metrics")
# The rest is counted as one: a client may send any word, and each would be a series of its own.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
# prometheus_client's own steps end at 10 s; a large picture on a small task, or a full queue, takes longer.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The service's metrics; with several worker processes, sums over those processes."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        route = ("method", "path")
        self.requests = Counter("http_requests", "Requests answered.", (*route, "status"), registry=registry)
        self.duration = Histogram(
            "http_request_duration_seconds", "From head of a request to end of its answer.", route,
            buckets=BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests in hand.", registry=registry, multiprocess_mode="livesum"
        )
        self.queue_depth = Gauge(
            "service_queue_depth", "Items that wait.", registry=registry, multiprocess_mode="livesum"
        )
        self.working = Gauge(
            "service_items_in_progress", "Items worked on.", registry=registry, multiprocess_mode="livesum"
        )
        self.items = Counter("service_items", "Items done, by result.", ("result",), registry=registry)
        for result in ("ok", "failed"):
            self.items.labels(result)

    def watch(self, waiting: int, working: int) -> None:
        """Take over the counts of a Pool."""
        self.queue_depth.set(waiting)
        self.working.set(working)

    def item(self, ok: bool) -> None:
        """Count an item that was done."""
        self.items.labels("ok" if ok else "failed").inc()

    def exposition(self) -> tuple[bytes, str]:
        """The metrics in Prometheus's text format, and its media type."""
        registry = self._registry
        if MULTIPROC_DIR in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST


@dataclass(slots=True)
class _Answer:
    status: int = 500
    sent_bytes: int = 0


class Telemetry:
    """ASGI middleware: counts, times and logs requests, and closes connections that should go elsewhere.

    Probes are counted, and logged only when they fail.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str], log: bool, state: Any) -> None:
        """Paths other than `paths` are counted as one; `state.draining` tells that the service is to stop,
        `state.load` what other workers have in hand."""
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)
        self._log = log
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                if self._state.draining or self._state.load.misplaced:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            else:
                answer.sent_bytes += len(message.get("body", b""))
            await send(message)

        begun_s = time.perf_counter()
        self._metrics.in_progress.inc()
        self._state.load.request(1)
        try:
            await self._app(scope, receive, observe)
        finally:
            self._metrics.in_progress.dec()
            self._state.load.request(-1)
            self._record(scope, answer, time.perf_counter() - begun_s)

    def _record(self, scope: Scope, answer: _Answer, duration_s: float) -> None:
        method, path = scope["method"], scope["path"]
        known = path if path in self._paths else "other"
        route = (method if method in METHODS else "other", known)
        self._metrics.requests.labels(*route, str(answer.status)).inc()
        self._metrics.duration.labels(*route).observe(duration_s)
        if self._log and not (path in PROBES and answer.status == 200):
            client, queue_s = scope.get("client"), scope.get("state", {}).get("queue_s")
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": method,
                "path": path,
                "status": answer.status,
                "duration_s": round(duration_s, 6),
                "bytes": answer.sent_bytes,
                "client": client[0] if client else "",
                "queue_s": None if queue_s is None else round(queue_s, 6),
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
