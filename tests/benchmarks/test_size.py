"""The run folder at size: what writing a row costs, and loading and summarising a million of them, or ten.

On one core, in a process of its own, so that memory is what this alone takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.runs import RunWriter
from tests.big import make_big_run
from tests.rows import an_attempt

pytestmark = pytest.mark.timed
ROWS = 20_000
WRITE_LIMIT_S = 20e-6
SUMMARISE = """
import json, os, resource, sys, time
os.sched_setaffinity(0, {0})
from pathlib import Path
from typing import Any
from harness import load
from harness.analysis import cold_and_warm, summarise
started_s = time.perf_counter()
run = load(Path(sys.argv[1]))
loaded_s = time.perf_counter() - started_s
table = summarise(run)
took_s = time.perf_counter() - started_s
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"load_s": loaded_s, "took_s": took_s, "peak_bytes": peak_bytes, "planned": int(table.planned.sum())}))
"""


def test_writing_attempts(benchmark: Any, tmp_path: Path) -> None:
    """Making, appending and flushing each row, and the Parquet file at the end, divided by the rows."""
    folders = iter(range(1000))

    def write() -> None:
        writer = RunWriter(tmp_path / f"r{next(folders)}", {})
        for number in range(ROWS):
            writer.attempt(an_attempt(sequence=number))
        writer.close("complete")

    benchmark.pedantic(write, rounds=8, warmup_rounds=1)
    each_s = benchmark.stats.stats.median / ROWS
    benchmark.extra_info["us_per_attempt"] = each_s * 1e6
    assert each_s <= WRITE_LIMIT_S


COSTS = """
import json, os, sys, time
os.sched_setaffinity(0, {0})
from pathlib import Path
from harness import load
from harness.cost.bill import bill
from harness.cost.model import cost_model
from harness.cost.month import month
run = load(Path(sys.argv[1]))
model = cost_model(run)
asked = {
    "bill": lambda: bill(run, model.terms),
    "cell sums": lambda: model.cells,
    "options": lambda: model.options,
    "month": lambda: month(model),
}
found, seconds = {}, {}
for name, ask in asked.items():
    started_s = time.perf_counter()
    found[name] = ask()
    seconds[name] = time.perf_counter() - started_s
requests = found["bill"].loc[found["bill"].part == "requests", "quantity"].sum()
told = {"requests": int(requests), "tries": int(found["cell sums"].tries.sum()), "months": len(found["month"])}
print(json.dumps(told | {"seconds": seconds, "took_s": sum(seconds.values())}))
"""


def test_what_ten_million_attempts_cost(benchmark: Any, tmp_path: Path) -> None:
    """The bill, what items take, and a month with its intervals, of a run that is loaded already: 5 s for all of it."""
    folder = make_big_run(tmp_path / "big", 10_000_000)

    def priced() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", COSTS, str(folder)], capture_output=True, text=True, check=True
        )
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    told = benchmark.pedantic(priced, rounds=1)
    benchmark.extra_info |= told
    assert told["requests"] == 5_000_000, "a function and its duplicate"
    assert told["tries"] == 10_000_000
    assert told["months"] == 2 * 5, "batch has no container with an end here, so it has no price"
    assert told["took_s"] <= 5.0


REPORT = """
import json, os, sys, time
os.sched_setaffinity(0, {0})
from pathlib import Path
started_s = time.perf_counter()
from harness import load
from harness.report.contents import Contents
from harness.report.build import write_reports
paths = write_reports(Contents(load(Path(sys.argv[1]))))
took_s = time.perf_counter() - started_s
sizes = {path.name: path.stat().st_size for path in paths}
print(json.dumps({"took_s": took_s, "page_bytes": sizes["report.html"]}))
"""


def test_writing_the_reports_of_a_million_attempts(benchmark: Any, tmp_path: Path) -> None:
    """Loading, every table and chart, and the page itself; the Vega runtime is in the user's cache after the first."""
    folder = make_big_run(tmp_path / "big", 1_000_000)

    def write() -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-c", REPORT, str(folder)], capture_output=True, text=True, check=True
        )
        told: dict[str, float] = json.loads(done.stdout)
        return told

    told = benchmark.pedantic(write, rounds=3, warmup_rounds=1)
    benchmark.extra_info |= told
    assert told["took_s"] <= 10.0
    assert told["page_bytes"] <= 5_000_000


@pytest.mark.parametrize(("attempts", "limit_s"), [(1_000_000, 3.0), (10_000_000, 30.0)])
def test_loading_and_summarising(benchmark: Any, tmp_path: Path, attempts: int, limit_s: float) -> None:
    folder = make_big_run(tmp_path / "big", attempts)

    def summarise() -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-c", SUMMARISE, str(folder)], capture_output=True, text=True, check=True
        )
        told: dict[str, float] = json.loads(done.stdout)
        return told

    told = benchmark.pedantic(summarise, rounds=6 if attempts < 5_000_000 else 1)
    benchmark.extra_info |= told
    assert told["planned"] == attempts
    assert told["took_s"] <= limit_s
    assert told["peak_bytes"] < 4e9
