"""Load generators that others use, driven against one address; each tells its own p50, p95 and p99, in seconds."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import resource
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import aiohttp
import numpy as np

from harness.clock import RunClock
from harness.driver import Driver
from harness.pacer import ThreadPacer
from harness.placements.base import Work
from tests.fakes import a_phase

K6_SCRIPT = """
import http from 'k6/http';
export const options = {
  scenarios: { steady: { executor: 'constant-arrival-rate', rate: __ENV.RATE, timeUnit: '1s',
    duration: __ENV.DURATION + 's', preAllocatedVUs: 200, maxVUs: 1000 } },
  summaryTrendStats: ['p(50)', 'p(95)', 'p(99)', 'count'],
};
export default function () { http.get(__ENV.URL); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics) }; }
"""


@dataclass(frozen=True)
class Told:
    """What a generator says: latencies in seconds, and how many requests it made a second."""

    p50_s: float
    p95_s: float
    p99_s: float
    rate_per_s: float


@contextmanager
def serving() -> Iterator[str]:
    """The trivial server, in a process of its own; yields its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.http_server"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.kill()


def stall_after(url: str, wait_s: float) -> Timer:
    """Make the server stand still for a second, once."""
    timer = Timer(wait_s, lambda: urllib.request.urlopen(url + "stall", timeout=10).close())
    timer.start()
    return timer


def ours(url: str, rate_per_s: float, duration_s: float) -> Told:
    """The harness's driver, with an HTTP client as its placement."""

    @dataclass
    class Http:
        session: aiohttp.ClientSession | None = None
        rows: list[tuple[int, int, int]] = field(default_factory=list)

        async def open(self) -> None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

        async def run(self, work: Work) -> None:
            assert self.session is not None
            async with self.session.get(url) as response:
                await response.read()
            self.rows.append((work.due_ns, work.sent_ns, clock.now_ns()))

        async def close(self) -> None:
            assert self.session is not None
            await self.session.close()

    clock, placement = RunClock(), Http()
    offsets_s = np.arange(round(rate_per_s * duration_s)) / rate_per_s

    async def main() -> None:
        await placement.open()
        await Driver(clock, ThreadPacer(clock), 10_000).drive(
            a_phase(offsets_s), placement, lambda work: None
        )
        await placement.close()

    asyncio.run(main())
    rows = np.array(placement.rows)
    p50_s, p95_s, p99_s = np.quantile((rows[:, 2] - rows[:, 0]) / 1e9, [0.5, 0.95, 0.99])
    sent_s = (rows[:, 1].max() - rows[:, 1].min()) / 1e9
    return Told(float(p50_s), float(p95_s), float(p99_s), (len(rows) - 1) / sent_s)


def k6(url: str, rate_per_s: float, duration_s: float) -> Told:
    """Grafana k6 at a constant arrival rate (open loop)."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "steady.js"
        script.write_text(K6_SCRIPT)
        told = _output([
            str(Path(sys.executable).parent / "k6"), "run", "--quiet", "--no-usage-report",
            "-e", f"URL={url}", "-e", f"RATE={round(rate_per_s)}", "-e", f"DURATION={round(duration_s)}", str(script),
        ])  # fmt: skip
    metrics = json.loads(told[told.index("{") :])
    found = metrics["http_req_duration"]["values"]
    p50_s, p95_s, p99_s = (found[f"p({q})"] / 1e3 for q in (50, 95, 99))
    return Told(p50_s, p95_s, p99_s, metrics["http_reqs"]["values"]["count"] / duration_s)


def hey(url: str, rate_per_s: float, duration_s: float) -> Told:
    """hey: one worker a connection, each paced, latency from the actual send (closed loop)."""
    told = _output([
        "hey", "-z", f"{duration_s:g}s", "-c", "1", "-q", f"{rate_per_s:g}", "-o", "csv", url,
    ])  # fmt: skip
    took_s = [float(row["response-time"]) for row in csv.DictReader(io.StringIO(told))]
    p50_s, p95_s, p99_s = (float(q) for q in np.quantile(took_s, [0.5, 0.95, 0.99]))
    return Told(p50_s, p95_s, p99_s, len(took_s) / duration_s)


def wrk(url: str, duration_s: float) -> float:
    """wrk: as many requests a second as one connection takes; it cannot pace."""
    told = _output(["wrk", "-t1", "-c1", f"-d{round(duration_s)}s", url])
    (line,) = (line for line in told.splitlines() if line.startswith("Requests/sec"))
    return float(line.split()[1])


# What wrk asks for with each request, and what it tells at the end; answers of 400 and more count in `status`.
WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
function done(summary, latency, requests)
    local e = summary.errors
    io.stderr:write(string.format('{"answers": %%d, "took_us": %%d, "failed": %%d}',
        summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Saturated:
    """What a server answered to requests of which one always waits on each connection."""

    per_s: float
    client_cpu_s: float
    took_s: float


def wrk_posts(url: str, body: str, connections: int, duration_s: int) -> Saturated:
    """wrk with a body; it takes some 10 us of the processor for a request. A failed one raises ValueError."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(WRK_SCRIPT % body)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "30s", "-s", str(script), url],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stderr)
    if told["failed"] or not told["answers"]:
        raise ValueError(f"{url}: {told}")
    cpu_s = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    took_s = told["took_us"] / 1e6
    return Saturated(told["answers"] / took_s, cpu_s, took_s)


def missing() -> list[str]:
    """Peers that are not installed."""
    beside = Path(sys.executable).parent / "k6"
    return [name for name in ("wrk", "hey") if not shutil.which(name)] + ([] if beside.exists() else ["k6"])


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
