"""What a person waits for after a run: loading it, the tables, the reports. A run of the default's size."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import analysis
from harness.clock import RunClock
from harness.driver import Driver
from harness.pacer import ThreadPacer
from harness.placements.base import Work
from harness.report.build import write_reports
from harness.report.contents import Contents
from harness.runs import Run
from tests.fakes import NO_LIMIT, a_phase
from tests.synthetic import make_run

DROP = 5_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("made") / "r").folder


def test_loading(benchmark: Any, folder: Path) -> None:
    run = benchmark.pedantic(Run.load, (folder,), rounds=20, warmup_rounds=2)
    assert len(run.attempts) > 1000


def test_comparing(benchmark: Any, folder: Path) -> None:
    table = benchmark.pedantic(lambda: analysis.compare(Run.load(folder)), rounds=20, warmup_rounds=2)
    assert len(table)


def test_writing_every_report(benchmark: Any, folder: Path) -> None:
    paths = benchmark.pedantic(lambda: write_reports(Contents(Run.load(folder))), rounds=8, warmup_rounds=1)
    assert {"summary.csv", "report.md", "report.html", "bill.csv"} <= {path.name for path in paths}


def test_handing_over_a_drop(benchmark: Any) -> None:
    """The driver's own work for an item, all of them due at once."""

    class Nothing:
        async def open(self) -> None: ...

        async def run(self, work: Work) -> None: ...

        async def close(self) -> None: ...

    clock = RunClock()
    driver = Driver(clock, ThreadPacer(clock), NO_LIMIT)
    phase = a_phase(np.zeros(DROP), "drop")
    benchmark.pedantic(
        lambda: asyncio.run(driver.drive(phase, Nothing(), lambda work: None)), rounds=20, warmup_rounds=2
    )
    if benchmark.enabled:
        benchmark.extra_info["us_per_item"] = benchmark.stats.stats.median / DROP * 1e6
