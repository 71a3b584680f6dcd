"""Every workload that ships, in every placement, on both engines: the same objects and the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.engines.base import Engine, LoadBalancer
from harness.engines.docker import DockerEngine
from harness.engines.image import ensure_image
from harness.engines.process import ProcessEngine
from harness.scenario import workloads
from tests.placements.test_placements import ALL, carry_out, settings
from tests.workloads.test_table import rows_of
from workloads.kit.corpus import Corpus

NUMBERS = itertools.count()
# The bundles of `unpack` are made to be more than a function usually has.
ROOM: dict[str, dict[str, Any]] = {"function": {"tmp_mb": 1024}}


@pytest.fixture(scope="module", params=workloads())
def workload(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def corpus(workload: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made: Corpus = import_module(f"workloads.{workload}.corpus").RECIPE.build(
        tmp_path_factory.mktemp(workload) / "corpus", 2, 1
    )
    made.root.parent.chmod(0o755)
    return made


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def make(request: pytest.FixtureRequest, workload: str, root: Path) -> Callable[[], Engine]:
    """Makes engines with this workload's image."""
    if request.param == "process":
        return ProcessEngine
    client = request.getfixturevalue("docker_client")
    balancer: LoadBalancer = request.getfixturevalue("load_balancer")
    image = ensure_image(client, workload, root, print)
    return lambda: DockerEngine(client, image, f"test-w{next(NUMBERS)}", balancer)


def stored(folder: Path, workload: str) -> dict[str, bytes]:
    """The objects that items became, by key."""
    files = [path for path in (folder / f"{workload}s").rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """What the table says of each item, but for how long it took."""
    return {
        item: {name: value for name, value in row.items() if name != "work_s"}
        for item, row in rows_of(folder / "metadata.sqlite").items()
    }


@pytest.mark.timeout(300)  # the first of these tests may build an image
def test_placements_make_the_same_objects_and_rows(
    make: Callable[[], Engine], workload: str, corpus: Corpus, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    objects, told = [], []
    for base in ALL:
        folder = tmp_path / base["kind"]
        folder.mkdir()
        folder.chmod(0o777)
        ledger = carry_out(
            make,
            settings(base, **ROOM.get(base["kind"], {})),
            corpus.root,
            folder,
            corpus.keys,
            workload=workload,
            asked={},
        )
        assert [(row.outcome, row.error) for row in ledger.attempts] == [("ok", "")] * len(corpus.keys)
        objects.append(stored(folder, workload))
        told.append(rows(folder))
    assert objects[0] == objects[1] == objects[2]
    assert len(objects[0]) >= len(corpus.keys)
    assert told[0] == told[1] == told[2]
    assert told[0].keys() == set(corpus.keys)
