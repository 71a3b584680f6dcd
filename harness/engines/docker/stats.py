"""Docker's own reading of a container, for where its control group cannot be read."""

from __future__ import annotations

from typing import Any

import docker
from docker.errors import APIError

from harness.measure.usage import Usage


def read_stats(api: docker.APIClient, container_id: str) -> Usage | None:
    """Takes milliseconds; None for a container that has ended."""
    try:
        return _as_usage(api.stats(container_id, stream=False, one_shot=True))
    except (APIError, KeyError):
        return None


def _as_usage(stats: dict[str, Any]) -> Usage:
    """KeyError for a container that has ended."""
    cpu, memory = stats["cpu_stats"], stats["memory_stats"]
    throttling = cpu["throttling_data"]
    parts = memory.get("stats", {})  # as memory.stat of either version of control groups
    networks = stats.get("networks", {}).values()
    return Usage(
        cpu_s=cpu["cpu_usage"]["total_usage"] / 1e9,
        cpu_user_s=cpu["cpu_usage"]["usage_in_usermode"] / 1e9,
        cpu_system_s=cpu["cpu_usage"]["usage_in_kernelmode"] / 1e9,
        cpu_throttled_s=throttling["throttled_time"] / 1e9,
        cpu_periods=throttling["periods"],
        cpu_throttled_periods=throttling["throttled_periods"],
        memory_bytes=memory["usage"],
        memory_anonymous_bytes=parts.get("total_rss", parts.get("anon")),
        memory_file_bytes=parts.get("total_cache", parts.get("file")),
        memory_peak_bytes=memory.get("max_usage"),
        network_in_bytes=sum(n["rx_bytes"] for n in networks),
        network_out_bytes=sum(n["tx_bytes"] for n in networks),
    )
