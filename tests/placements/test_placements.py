"""The three placements with the real workload, on both engines: good items, bad items, and every way to fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import docker
import numpy as np
import pytest
from PIL import Image as Pictures

from harness.clock import RunClock
from harness.driver import Driver
from harness.engines.base import Engine
from harness.engines.docker import DockerEngine
from harness.engines.image import Image
from harness.engines.ownership import container_user
from harness.engines.process import ProcessEngine
from harness.pacer import ThreadPacer
from harness.placements import registry
from harness.placements.base import Bench
from harness.plan import PlannedPhase
from harness.rows import Attempt
from harness.scenario import BatchSettings, FunctionSettings, ServiceSettings
from tests.fakes import NO_LIMIT, Ledger, refuse

NUMBERS = itertools.count()
FUNCTION: dict[str, Any] = {"kind": "function", "memory_mb": 1769, "retries": 0}
BATCH: dict[str, Any] = {"kind": "batch", "memory_mb": 512, "vcpu": 1.0, "vcpu_budget": 2.0, "array_size": 2}
SERVICE: dict[str, Any] = {
    "kind": "service",
    "memory_mb": 512,
    "vcpu": 1.0,
    "task_memory_mb": 2048,
    "tasks": 2,
}
Make = Callable[[dict[str, Any]], Any]
MODELS = {"function": FunctionSettings, "batch": BatchSettings, "service": ServiceSettings}


def settings(base: dict[str, Any], **changes: Any) -> Any:
    return MODELS[base["kind"]](**(base | changes))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs' worth of noise, something that is no picture, and one that needs 300 MB to decode."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for number in range(3):
        small = Pictures.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        small.resize((1600, 1200)).save(folder / f"{number}.jpg", quality=90)
    (folder / "bad.jpg").write_text("this is not a picture")
    Pictures.new("RGB", (9000, 9000), "red").save(folder / "huge.png", compress_level=1)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o755)
    folder = tmp_path / "objects"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder


def carry_out(
    engine_maker: Callable[[], Engine],
    chosen: Any,
    pictures: Path,
    out: Path,
    items: Sequence[str],
    gap_s: float = 0.0,
    during: Callable[[Engine, Ledger], Any] | None = None,
    workload: str = "thumbnail",
    asked: Mapping[str, Any] = MappingProxyType({"sizes": [128], "format": "jpeg"}),
) -> Ledger:
    ledger = Ledger()

    async def run() -> None:
        engine = engine_maker()
        clock = RunClock()
        driver = Driver(clock, ThreadPacer(clock), NO_LIMIT)
        bench = Bench(
            run=f"test-{next(NUMBERS)}", block=0, warmup=False, arm=chosen.kind, workload=workload,
            engine=engine, clock=clock, recorder=ledger, watcher=ledger, store_in=pictures,
            store_out=out, settings=asked,
        )  # fmt: skip
        placement = registry.build(bench, chosen)
        phase = PlannedPhase("steady", tuple(items), np.arange(len(items), dtype=np.float64) * gap_s)
        try:
            await placement.open()
            other = asyncio.create_task(during(engine, ledger)) if during else None
            await asyncio.wait_for(driver.drive(phase, placement, refuse), 120)
            if other:
                await other
        finally:
            await placement.close()
            await engine.close()

    asyncio.run(run())
    assert len(ledger.attempts) == len(items), "every item ends as exactly one row"
    assert sorted(row.sequence for row in ledger.attempts) == list(range(len(items)))
    return ledger


def parts_s(row: Attempt) -> float:
    return sum(
        float(getattr(row, f"{part}_s"))
        for part in ("queue", "pull", "create", "start", "init", "fetch", "work", "store", "answer", "other")
    )


ALL = [FUNCTION, BATCH, SERVICE]


@pytest.mark.parametrize("base", ALL, ids=lambda b: str(b["kind"]))
def test_good_items_are_done_stored_and_accounted_for(
    make_engine: Callable[[], Engine], base: dict[str, Any], pictures: Path, out: Path
) -> None:
    items = ["0.jpg", "1.jpg", "2.jpg", "0.jpg", "1.jpg", "2.jpg"]
    ledger = carry_out(make_engine, settings(base), pictures, out, items)
    for row in ledger.attempts:
        assert (row.outcome, row.error) == ("ok", "")
        assert row.due_ns <= row.sent_ns <= row.started_ns < row.done_ns
        assert row.latency_s == pytest.approx((row.done_ns - row.due_ns) / 1e9)
        assert parts_s(row) == pytest.approx(row.latency_s, abs=1e-6)
        assert row.other_s == pytest.approx(0, abs=0.25)
        assert row.work_s > 0 and row.cpu_s is not None and row.cpu_s > 0
        assert row.bytes_in == (pictures / row.item).stat().st_size
        assert row.bytes_out > 0
        assert row.memory_peak_bytes is not None and row.memory_peak_bytes > 10_000_000
        assert row.container
        if row.container_cpu_s is not None:
            assert row.container_cpu_s >= row.cpu_s - 0.02, "the work is part of what the container used"
    if base["kind"] == "function":
        assert all(row.container_cpu_s is not None for row in ledger.attempts), (
            "an environment serves one at a time"
        )
    for name in ("0", "1", "2"):
        with Pictures.open(out / "thumbnails" / name / "128.jpg") as thumbnail:
            assert thumbnail.size == (128, 96)
    database = sqlite3.connect(out / "metadata.sqlite")
    try:
        assert database.execute("select count(*) from items").fetchone() == (3,)
    finally:
        database.close()


def test_placements_make_the_same_bytes(
    make_engine: Callable[[], Engine], pictures: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    made = []
    for base in ALL:
        folder = tmp_path / base["kind"]
        folder.mkdir()
        folder.chmod(0o777)
        carry_out(make_engine, settings(base), pictures, folder, ["0.jpg"])
        made.append((folder / "thumbnails" / "0" / "128.jpg").read_bytes())
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("base", ALL, ids=lambda b: str(b["kind"]))
def test_a_bad_item_is_an_error_that_names_it_and_the_others_go_on(
    make_engine: Callable[[], Engine], base: dict[str, Any], pictures: Path, out: Path
) -> None:
    ledger = carry_out(make_engine, settings(base), pictures, out, ["0.jpg", "bad.jpg", "1.jpg", "gone.jpg"])
    by_item = {row.item: row for row in ledger.attempts}
    assert by_item["0.jpg"].outcome == by_item["1.jpg"].outcome == "ok"
    assert by_item["bad.jpg"].outcome == by_item["gone.jpg"].outcome == "error"
    assert "ObjectNotFound" in by_item["gone.jpg"].error
    assert by_item["bad.jpg"].error


@pytest.mark.parametrize(
    "chosen",
    [
        settings(FUNCTION, memory_mb=160),
        settings(BATCH, memory_mb=160, array_size=1),
        settings(SERVICE, memory_mb=160, tasks=1),
    ],
    ids=["function", "batch", "service"],
)
def test_an_item_that_needs_too_much_memory_is_named_out_of_memory(
    make_engine: Callable[[], Engine], chosen: Any, pictures: Path, out: Path
) -> None:
    ledger = carry_out(make_engine, chosen, pictures, out, ["huge.png"])
    (row,) = ledger.attempts
    assert row.outcome == "out_of_memory", row.error
    ended = json.loads(ledger.kinds("container_ended")[0].detail)
    assert ended == {"exit_code": 137, "out_of_memory": True}
    if chosen.kind == "function":
        assert "Runtime.ExitError" in row.error
        assert "signal: killed" in row.error


def test_a_function_past_its_time_is_ended_as_lambda_words_it(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    # 384 MB is a fifth of a vCPU; without a CPU limit the picture still takes more than the cap of this test.
    chosen = settings(FUNCTION, memory_mb=1024, max_environments=1).model_copy(update={"timeout_s": 0.05})
    ledger = carry_out(make_engine, chosen, pictures, out, ["huge.png", "0.jpg"])
    late, after = sorted(ledger.attempts, key=lambda row: row.sequence)
    assert (late.outcome, late.error) == ("timeout", "Task timed out after 0.05 seconds")
    assert late.billed_s is not None and late.billed_s >= 0.05
    assert after.cold, "the environment that timed out was reset"
    assert len(ledger.kinds("container_started")) == 2


def test_a_function_reuses_its_environment_and_only_the_first_call_is_cold(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    ledger = carry_out(make_engine, settings(FUNCTION), pictures, out, ["0.jpg"] * 5, gap_s=1.0)
    rows = sorted(ledger.attempts, key=lambda row: row.sequence)
    assert [row.cold for row in rows] == [True, False, False, False, False]
    assert len({row.container for row in rows}) == 1
    first = rows[0]
    assert min(first.create_s, first.start_s, first.init_s) >= 0 and first.init_s > 0.01
    assert first.billed_s is not None and first.handler_s is not None
    assert first.billed_s >= first.init_s + first.handler_s
    assert all(row.billed_s is not None and row.billed_s >= (row.handler_s or 9) for row in rows)


def test_a_function_never_has_more_environments_than_allowed(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    ledger = carry_out(make_engine, settings(FUNCTION, max_environments=2), pictures, out, ["0.jpg"] * 8)
    assert len(ledger.kinds("container_started")) == 2
    assert sum(row.cold for row in ledger.attempts) == 2
    assert max(row.queue_s for row in ledger.attempts) > 0.05


def test_a_function_that_may_not_idle_is_cold_each_time(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    chosen = settings(FUNCTION, max_environments=1, idle_s=0)
    ledger = carry_out(make_engine, chosen, pictures, out, ["0.jpg"] * 3)
    assert all(row.cold for row in ledger.attempts)
    assert len({row.container for row in ledger.attempts}) == 3


def test_an_idle_environment_is_removed_after_its_time(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    ledger = carry_out(make_engine, settings(FUNCTION, idle_s=0.3), pictures, out, ["0.jpg"] * 2, gap_s=3.0)
    assert [row.cold for row in ledger.attempts] == [True, True]
    assert len(ledger.kinds("container_ended")) == 2


def test_a_drop_is_one_array_job_within_the_budget(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    chosen = settings(BATCH, array_size=3, vcpu_budget=1.0)
    ledger = carry_out(make_engine, chosen, pictures, out, ["0.jpg", "1.jpg", "2.jpg"] * 2)
    (submitted,) = ledger.kinds("job_submitted")
    assert json.loads(submitted.detail)["size"] == 3
    assert len({row.container for row in ledger.attempts}) == 3
    running = 0
    for event in sorted(ledger.events, key=lambda e: e.at_ns):
        running += {"container_started": 1, "container_ended": -1}.get(event.kind, 0)
        assert running <= 1, "the budget of one vCPU holds one job"


def test_items_of_one_window_share_a_job_and_later_ones_do_not(
    make_engine: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    chosen = settings(BATCH, array_size=1, window_s=0.5)
    ledger = carry_out(make_engine, chosen, pictures, out, ["0.jpg"] * 4, gap_s=0.3)
    sizes = [json.loads(event.detail)["items"] for event in ledger.kinds("job_submitted")]
    assert sizes == [2, 2]


@pytest.mark.docker
def test_a_killed_job_keeps_what_it_had_done_and_loses_no_item(
    docker_client: docker.DockerClient, workload_image: Image, pictures: Path, out: Path
) -> None:
    async def kill_first(engine: Engine, ledger: Ledger) -> None:
        while not ledger.kinds("container_started"):
            await asyncio.sleep(0.01)
        name = ledger.kinds("container_started")[0].container
        container = docker_client.containers.get(name)
        while b'"item"' not in container.logs():
            await asyncio.sleep(0.01)
        container.kill()

    chosen = settings(BATCH, array_size=1, vcpu=0.1, vcpu_budget=0.1)
    make = lambda: DockerEngine(docker_client, workload_image, f"test-p{next(NUMBERS)}")  # noqa: E731
    ledger = carry_out(make, chosen, pictures, out, ["0.jpg"] * 40, during=kill_first)
    outcomes = [row.outcome for row in sorted(ledger.attempts, key=lambda row: row.sequence)]
    done = outcomes.count("ok")
    assert 1 <= done < 40
    assert outcomes == ["ok"] * done + ["error"] + ["lost"] * (39 - done)


@pytest.mark.docker
def test_a_service_task_that_is_killed_fails_only_what_it_had(
    docker_client: docker.DockerClient, make_docker: Callable[[], Engine], pictures: Path, out: Path
) -> None:
    async def kill_one(engine: Engine, ledger: Ledger) -> None:
        await asyncio.sleep(0.6)
        docker_client.containers.get(ledger.kinds("container_ready")[0].container).kill()
        async with asyncio.timeout(30):  # a busy machine takes its time to start another
            while len(ledger.kinds("container_ready")) < 3:
                await asyncio.sleep(0.05)

    # More than two tasks can do, so that both have some in hand all the time.
    items = ["0.jpg"] * 120
    ledger = carry_out(make_docker, settings(SERVICE), pictures, out, items, gap_s=0.01, during=kill_one)
    failed = [row for row in ledger.attempts if row.outcome != "ok"]
    killed = ledger.kinds("container_ready")[0].container
    gone_ns = next(event.at_ns for event in ledger.kinds("container_ended") if event.container == killed)
    assert failed, "it had some in hand"
    assert {row.container for row in failed} == {killed}
    assert all("exit code 137" in row.error for row in failed), [row.error for row in failed]
    assert all(row.sent_ns < gone_ns + 100_000_000 for row in failed), (
        "what was on its way just then, at the latest"
    )
    started = [event.container for event in ledger.kinds("container_ready")]
    assert len(started) == 3, "the dead task was replaced"
    assert ledger.attempts[-1].outcome == "ok"


def test_output_folder_belongs_to_whom_containers_run_as() -> None:
    assert container_user()[0] != 0


def test_a_task_with_two_vcpus_works_on_two_items_at_once(pictures: Path, out: Path) -> None:
    chosen = settings(SERVICE, vcpu=2.0, task_memory_mb=4096, tasks=1)
    ledger = carry_out(ProcessEngine, chosen, pictures, out, ["0.jpg", "1.jpg", "2.jpg", "0.jpg"])
    rows = sorted(ledger.attempts, key=lambda row: row.started_ns)
    assert any(later.started_ns < earlier.done_ns for earlier, later in itertools.pairwise(rows))
