"""The Docker daemon is restarted under a run: every child is accounted for. It takes the engine from everybody."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import docker
import psutil
import pytest

from harness.engines.docker import DockerEngine
from tests.fakes import Ledger
from tests.placements.batch.test_real_jobs import drop, job_states, pictures, thumbnails

__all__ = ["pictures"]
pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(200),
    pytest.mark.skipif(os.geteuid() != 0, reason="to restart the daemon takes root"),
]


def restart(root: Path) -> None:
    """End dockerd and everything that it runs, and start it again as `make setup` does."""
    daemons = [each for each in psutil.process_iter(["name"]) if each.info["name"] == "dockerd"]
    assert daemons, "no dockerd runs here"
    for each in daemons:
        each.terminate()
    psutil.wait_procs(daemons, timeout=60)
    subprocess.run([root / "scripts" / "docker.sh"], check=True, capture_output=True, timeout=60)
    docker.from_env(timeout=30).ping()


def test_every_child_is_accounted_for(
    make_docker: Callable[[], DockerEngine], pictures: Path, root: Path
) -> None:
    async def restart_it(ledger: Ledger) -> None:
        while len(ledger.kinds("container_ended")) < 2:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(restart, root)

    items = [f"{n % 4}.jpg" for n in range(48)]
    ledger = drop(make_docker, pictures, items, restart_it, attempts=10, array_size=24)
    final = {row.sequence: row for row in sorted(ledger.attempts, key=lambda row: row.attempt)}
    assert len(final) == 48
    hit = [row for row in ledger.attempts if row.outcome != "ok"]
    assert hit, "it was restarted while jobs ran"
    ended = job_states(ledger, "SUCCEEDED") + job_states(ledger, "FAILED")
    assert len([each for each in ended if ":" in each["job"]]) == 24
    assert {row.outcome for row in final.values()} == {"ok"}, "it was away for less than ten attempts take"
    assert len(thumbnails(pictures)) == 4
