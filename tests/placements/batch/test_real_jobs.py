"""Jobs in real containers that are killed, interrupted, or run for too long: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pytest
from PIL import Image as Pictures

from harness import load
from harness.clock import RunClock
from harness.driver import Driver
from harness.engines.docker import DockerEngine
from harness.engines.image import Image
from harness.pacer import LoopPacer
from harness.placements.base import Bench
from harness.placements.batch import BatchPlacement
from harness.plan import PlannedPhase
from harness.runs import RunWriter
from harness.scenario import BatchSettings
from tests.fakes import NO_LIMIT, Ledger

pytestmark = [pytest.mark.docker, pytest.mark.timeout(200)]
NUMBERS = itertools.count()
BASE: dict[str, Any] = {
    "kind": "batch", "memory_mb": 512, "vcpu": 0.5, "vcpu_budget": 1.0, "array_size": 2, "time_scale": 0.02,
}  # fmt: skip
During = Callable[[Ledger], Coroutine[Any, Any, None]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(4):
        small = Pictures.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        small.resize((3000, 2000)).save(folder / f"{number}.jpg")
    folder.chmod(0o755)
    return folder


def drop(
    make: Callable[[], DockerEngine], pictures: Path, items: list[str], during: During, **changes: Any
) -> Ledger:
    """All items at once through one placement, while `during` goes on."""
    ledger = Ledger()
    out = pictures.parent / "out"
    out.mkdir()
    out.chmod(0o777)

    async def run() -> None:
        engine, clock = make(), RunClock()
        bench = Bench(
            run=f"jobs-{next(NUMBERS)}", block=0, warmup=False, arm="batch", workload="thumbnail", engine=engine,
            clock=clock, recorder=ledger, watcher=ledger, store_in=pictures, store_out=out,
            settings={"sizes": [256], "format": "jpeg"}, seed=3,
        )  # fmt: skip
        placement = BatchPlacement(bench, BatchSettings(**(BASE | changes)))
        phase = PlannedPhase("drop", tuple(items), np.zeros(len(items)))
        try:
            await placement.open()
            other = asyncio.create_task(during(ledger))
            driver = Driver(clock, LoopPacer(clock), NO_LIMIT)
            await asyncio.wait_for(driver.drive(phase, placement, lambda work: None), 100)
            await other
        finally:
            await placement.close()
            await engine.close()

    asyncio.run(run())
    return ledger


async def nothing(ledger: Ledger) -> None:
    await asyncio.sleep(0)


def job_states(ledger: Ledger, state: str) -> list[dict[str, Any]]:
    told = [json.loads(event.detail) for event in ledger.kinds("job_state")]
    return [each for each in told if each["state"] == state]


def thumbnails(pictures: Path) -> list[Path]:
    return sorted((pictures.parent / "out" / "thumbnails").rglob("*.jpg"))


def test_a_killed_container_is_tried_again_and_each_result_is_there_once(
    make_docker: Callable[[], DockerEngine], docker_client: docker.DockerClient, pictures: Path
) -> None:
    killed: list[str] = []

    async def kill_first(ledger: Ledger) -> None:
        while not ledger.kinds("container_started"):
            await asyncio.sleep(0.005)
        name = ledger.kinds("container_started")[0].container
        pid = docker_client.containers.get(name).attrs["State"]["Pid"]
        os.kill(pid, 9)
        killed.append(name)

    items = ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    ledger = drop(make_docker, pictures, items, kill_first, attempts=3, array_size=4)
    assert killed
    hit = [row for row in ledger.attempts if row.container == killed[0]]
    assert [(row.attempt, row.outcome) for row in hit] == [(1, "error")]
    final = {row.item: row for row in sorted(ledger.attempts, key=lambda row: row.attempt)}
    assert {item: row.outcome for item, row in final.items()} == dict.fromkeys(items, "ok")
    assert final[hit[0].item].attempt == 2
    assert len(ledger.attempts) == 5
    assert len(thumbnails(pictures)) == 4
    assert not list((pictures.parent / "out").rglob("*.part"))
    states = [json.loads(event.detail)["state"] for event in ledger.kinds("job_state")]
    assert states.count("SUCCEEDED") == 5, "four children and their parent"


def test_a_job_that_takes_too_long_is_ended_and_not_tried_again(
    make_docker: Callable[[], DockerEngine], pictures: Path
) -> None:
    # 60 s at a fiftieth: 1.2 s for some hundred pictures of tens of ms each.
    items = ["0.jpg"] * 150
    ledger = drop(make_docker, pictures, items, nothing, attempts=3, array_size=1, timeout_s=60)
    outcomes = [row.outcome for row in sorted(ledger.attempts, key=lambda row: row.sequence)]
    done = outcomes.count("ok")
    assert 1 <= done < 150
    assert set(outcomes[done:]) == {"error", "lost"}
    assert {row.attempt for row in ledger.attempts} == {1}
    (failed,) = job_states(ledger, "FAILED")
    assert failed["reason"] == "Job attempt duration exceeded timeout"
    (ended,) = ledger.kinds("container_ended")
    assert json.loads(ended.detail)["exit_code"] == 143, "it heeds SIGTERM"


def test_spot_interruptions_are_survived(make_docker: Callable[[], DockerEngine], pictures: Path) -> None:
    items = [f"{n % 4}.jpg" for n in range(24)]
    ledger = drop(
        make_docker, pictures, items, nothing, compute="SPOT", attempts=10, array_size=6,
        instances=({"name": "small", "vcpu": 1.0, "memory_mb": 2048},), interruption_mean_s=1.0, idle_s=0.5,
        evaluate_on_exit=(
            {"action": "RETRY", "on_status_reason": "Host EC2*"}, {"action": "EXIT", "on_reason": "*"},
        ),
        launch={"median_s": 0.1, "spread": 1.5},
    )  # fmt: skip
    assert len(ledger.kinds("instance_interrupted")) >= 1
    final = {row.sequence: row for row in sorted(ledger.attempts, key=lambda row: row.attempt)}
    assert len(final) == 24
    assert {row.outcome for row in final.values()} == {"ok"}
    again = [each for each in job_states(ledger, "RUNNABLE") if each["reason"]]
    assert all(each["reason"].startswith("Host EC2 (instance i-") for each in again)
    launched = [json.loads(event.detail) for event in ledger.kinds("instance_launching")]
    assert len({each["instance"] for each in launched}) == len(launched) >= 2
    assert all(0.02 < each["assumed_launch_s"] < 0.6 for each in launched)
    assert len(ledger.kinds("instance_ended")) == len(launched)
    assert len(thumbnails(pictures)) == 4
    writer = RunWriter(pictures.parent / "run", {})
    for event in ledger.events:
        writer.event(event)
    writer.close("complete")
    table: Any = load(pictures.parent / "run").instances()
    ran = table[table["ready_ns"].notna()]
    assert len(table) == len(launched)
    assert (ran["up_s"] > 0).all()
    assert ran["idle_share"].between(-0.01, 1.0).all(), ran
    assert 0 < ran["busy_vcpu_s"].sum() <= (ran["up_s"] * ran["vcpu"]).sum() * 1.01


def test_a_chain_from_resize_to_contact_sheets_to_an_index_page(
    make_docker: Callable[[], DockerEngine], pictures: Path
) -> None:
    items = ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    steps = ({"name": "contact_sheet", "each": True}, {"name": "index_page"})
    ledger = drop(make_docker, pictures, items, nothing, array_size=2, steps=steps)
    assert {row.outcome for row in ledger.attempts} == {"ok"}
    out = pictures.parent / "out"
    sheets = sorted((out / "sheets").rglob("*.jpg"))
    assert len(sheets) == 2
    with Pictures.open(sheets[0]) as sheet:
        assert (sheet.width, sheet.height) == (268, 136), "two tiles beside each other"
    (page,) = (out / "index").iterdir()
    assert page.read_text().count("<img ") == 2
    assert all(item in page.read_text() for item in items)
    succeeded = [each["job"] for each in job_states(ledger, "SUCCEEDED")]
    assert len(succeeded) == 3 + 3 + 1
    # Sheet after its own child, page after all sheets.
    order = [name.partition(":") for name in succeeded]
    resize, sheet_array = order[0][0], next(job for job, _, _ in order if job != order[0][0])
    for index in ("0", "1"):
        assert succeeded.index(f"{resize}:{index}") < succeeded.index(f"{sheet_array}:{index}")


FOREIGN = "import json, os, sys; items = json.loads(os.environ['ITEMS']); sys.exit('3.jpg' in items)"


def test_an_image_of_ones_own_has_done_its_items_if_it_ends_well(
    make_docker: Callable[[], DockerEngine], workload_image: Image, pictures: Path
) -> None:
    own = {"image": workload_image.reference, "command": ("python3", "-c", FOREIGN)}
    ledger = drop(
        make_docker, pictures, ["0.jpg", "3.jpg", "2.jpg"], nothing, array_size=3, attempts=2, **own
    )
    found = {(row.item, row.attempt): row for row in ledger.attempts}
    outcomes = {key: row.outcome for key, row in found.items()}
    assert outcomes == {
        ("0.jpg", 1): "ok", ("2.jpg", 1): "ok", ("3.jpg", 1): "error", ("3.jpg", 2): "error",
    }  # fmt: skip
    assert "exit code 1" in found["3.jpg", 1].error
    good = found["0.jpg", 1]
    assert good.init_s == 0, "nobody knows when a foreign program has begun its work"
    assert good.work_s > 0
    assert good.handler_s == pytest.approx(good.work_s, rel=1e-3)
    assert not thumbnails(pictures)


def test_an_image_of_ones_own_answers_for_its_whole_share(
    make_docker: Callable[[], DockerEngine], workload_image: Image, pictures: Path
) -> None:
    own = {"image": workload_image.reference, "command": ("python3", "-c", FOREIGN)}
    ledger = drop(make_docker, pictures, ["0.jpg", "3.jpg", "2.jpg", "1.jpg"], nothing, **own)
    outcomes = {row.item: row.outcome for row in ledger.attempts}
    assert outcomes == {"0.jpg": "ok", "2.jpg": "ok", "3.jpg": "error", "1.jpg": "lost"}
