"""The service beside the same work without one: throughput at saturation, and what HTTP adds to an item.

The server, a plain loop over `run_item` and the client are processes of their own, pinned to cores; the sides take
turns within one run, and what is asserted is the median over the turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import peers
from tests.benchmarks.test_thumbnail import photograph
from tests.workloads.noop import interfaces
from tests.workloads.pictures import decoded, encode
from tests.workloads.serving import served

pytestmark = [pytest.mark.timed, pytest.mark.timeout(600)]
TURNS = 15
TURN_S = 1
CALLS = 150
CONNECTIONS = 6  # for each worker
CORES = sorted(os.sched_getaffinity(0))
# What a phone stores takes 20 ms or more, and what a web page shows 5: there the service's own share is larger.
PICTURE = {"phone": None, "web": (1000, 750)}
# Reads a number of items, does them, and prints the seconds that it took, again and again.
LOOP = """
import os, sys, time
from workloads.kit.step import run_item
from workloads.thumbnail.thumbnail import thumbnail
run_item("a.jpg", thumbnail, os.environ)
print("ready", flush=True)
for line in sys.stdin:
    begun_s = time.perf_counter()
    for _ in range(int(line)):
        assert run_item("a.jpg", thumbnail, os.environ).ok
    print(time.perf_counter() - begun_s, flush=True)
"""


def pinned(cores: list[int]) -> tuple[str, ...]:
    return ("taskset", "--cpu-list", ",".join(map(str, cores)))


class Loops:
    """The plain loop, in a process for each core."""

    def __init__(self, environ: dict[str, str], cores: list[int]) -> None:
        command = [*pinned(cores), sys.executable, "-c", LOOP]
        self._processes = [
            subprocess.Popen(
                command, env=os.environ | environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in cores
        ]
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def rate(self, items: int) -> float:
        """Items a second of all processes together, each of which does as many."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{items}\n")
            process.stdin.flush()
        rates = []
        for process in self._processes:
            assert process.stdout is not None
            rates.append(items / float(process.stdout.readline()))
        return sum(rates)

    def close(self) -> None:
        for process in self._processes:
            process.communicate()


@contextmanager
def client_on(cores: list[int]) -> Iterator[None]:
    """This process, which is the client, on some cores alone."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def told_by(benchmark: Any, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = benchmark.pedantic(work, rounds=1)
    benchmark.extra_info |= found
    print(found)
    return found


@pytest.mark.parametrize("picture", PICTURE)
@pytest.mark.parametrize("workers", [1, len(CORES)], ids=["one worker", "a worker for each core"])
def test_throughput_at_saturation(benchmark: Any, tmp_path: Path, picture: str, workers: int) -> None:
    """By the plain loop on the same cores. With every core taken, the client's CPU time is left out of both."""
    if len(CORES) < 2:
        pytest.skip("the client needs a core of its own")
    if "wrk" in peers.missing():
        pytest.skip("not installed: wrk (apt-get install wrk)")
    cores = CORES[:workers]
    data = photograph("Kleiber")
    if size := PICTURE[picture]:
        data = encode(decoded(data).resize(size), quality=90)
    environ = interfaces(tmp_path, {"a.jpg": data})
    settings = environ | {"SERVICE_WORKERS": str(workers)}
    items = 50 if picture == "phone" else 200

    def work() -> dict[str, float]:
        loops = Loops(environ, cores)
        ratios, rates, busy = [], [], []
        with served("workloads.thumbnail.service", tmp_path, settings, *pinned(cores)) as service:
            assert service.item("a.jpg").json()["ok"]
            url, body = f"http://127.0.0.1:{service.port}/thumbnail", json.dumps({"item": "a.jpg"})
            for turn in range(1 + TURNS):
                plain = loops.rate(items)
                told = peers.wrk_posts(url, body, CONNECTIONS * workers, TURN_S)
                client = told.client_cpu_s / told.took_s
                left = workers - client if workers == len(CORES) else workers
                if turn > 0:  # the first is warm-up
                    ratios.append(told.per_s / (plain * left / workers))
                    rates.append(told.per_s)
                    busy.append(client)
        loops.close()
        return {
            "ratio_to_plain_loop": statistics.median(ratios),
            "items_per_s": statistics.median(rates),
            "lowest": min(ratios),
            "highest": max(ratios),
            "client_cores": statistics.median(busy),
        }

    with client_on(CORES if workers == len(CORES) else CORES[workers:]):
        found = told_by(benchmark, work)
    assert found["ratio_to_plain_loop"] >= 0.9


def test_what_http_adds_to_an_item_that_is_nothing(benchmark: Any, tmp_path: Path) -> None:
    """One request after the other over one connection, by direct calls; with the access log and without."""
    environ = interfaces(tmp_path, {"a.jpg": b"nothing"})
    direct = LOOP.replace("thumbnail", "noop")
    body = json.dumps({"item": "a.jpg"})

    def work() -> dict[str, float]:
        took_s: dict[str, list[float]] = {"on": [], "off": []}
        direct_s = []
        with ExitStack() as stack:
            links = {}
            for log in took_s:
                (tmp_path / log).mkdir()
                settings = environ | {"SERVICE_ACCESS_LOG": log}
                service = stack.enter_context(served("workloads.noop.service", tmp_path / log, settings))
                links[log] = service.connect()
            process = subprocess.Popen(
                [sys.executable, "-c", direct], env=os.environ | environ, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(TURNS):
                process.stdin.write(f"{CALLS}\n")
                process.stdin.flush()
                direct_s.append(float(process.stdout.readline()) / CALLS)
                for log, link in links.items():
                    for _ in range(CALLS):
                        begun_s = time.perf_counter()
                        link.request("POST", "/noop", body)
                        assert link.getresponse().read()
                        took_s[log].append(time.perf_counter() - begun_s)
            process.communicate()
            for link in links.values():
                link.close()
        on_ms, off_ms = (statistics.median(took_s[log]) * 1e3 for log in ("on", "off"))
        direct_ms = statistics.median(direct_s) * 1e3
        return {
            "direct_ms": direct_ms,
            "p50_overhead_ms": on_ms - direct_ms,
            "p50_overhead_without_log_ms": off_ms - direct_ms,
        }

    assert told_by(benchmark, work)["p50_overhead_ms"] <= 2
