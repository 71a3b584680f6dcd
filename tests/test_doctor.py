"""The doctor: what it finds, that it always says how to mend it, and that it removes only what is ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import docker
import psutil
import pytest
from docker.errors import DockerException, NotFound

from harness.doctor import Finding, clean, cleaning, engine, examine
from harness.engines import base_image, load_balancer, obtain
from harness.engines.base import LABEL, LABEL_RUN, EngineError
from harness.engines.image import Image
from harness.engines.proof import Proof, prove
from harness.measure import machine


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


def refuse() -> docker.DockerClient:
    raise DockerException("connection refused\nand more")


def test_every_finding_that_is_not_good_says_how_to_mend_it(tmp_path: Path) -> None:
    for finding in examine(tmp_path, refuse):
        assert bool(finding.mend) is (finding.verdict != "good"), finding


@pytest.mark.parametrize(
    ("host", "installed", "value", "mend"),
    [
        ("", False, "not installed", "docker.io"),
        (
            "unix:///nowhere/docker.sock",
            True,
            "does not answer (connection refused)",
            "systemctl start docker",
        ),
        ("tcp://elsewhere:2375", True, "DOCKER_HOST=tcp://elsewhere:2375", "unset DOCKER_HOST"),
    ],
)
def test_no_engine_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, installed: bool, value: str, mend: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name, path=None: f"/bin/{name}" if installed else None)
    monkeypatch.setenv("DOCKER_HOST", host or f"unix://{tmp_path}/docker.sock")
    found = by_topic(examine(tmp_path, refuse))["Docker engine"]
    assert found.verdict == "missing"
    assert value in found.value
    assert mend in found.mend


def test_socket_without_permission_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    socket = tmp_path / "docker.sock"
    socket.touch()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = by_topic(examine(tmp_path, refuse))["Docker engine"]
    assert "usermod -aG docker" in found.mend


def test_busy_small_machine_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (7.0, 7.0, 7.0))
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e9, total=2e9))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1e9, total=2e9))
    monkeypatch.setattr(machine, "governor", lambda: "powersave")
    monkeypatch.setattr(machine, "turbo", lambda: True)
    monkeypatch.setattr(machine, "threads_per_core", lambda: 2)
    monkeypatch.setattr(machine, "steal_s", lambda: 1e12)
    found = examine(tmp_path, refuse)
    assert {f.topic for f in found if f.verdict == "warning"} == {
        *("load", "CPU", "governor", "turbo", "threads a core", "steal", "memory", "disk")
    }
    assert all(finding.mend for finding in found if finding.verdict != "good")


def test_limits_that_did_not_hold_are_not_called_enforced() -> None:
    said = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True, "SwapLimit": True}
    held = list(engine._limits(said, Proof(readable=True, memory=True)))
    assert {topic: proven for topic, proven, _, _ in held if topic != "swap limit"} == {
        "CPU limit": False,
        "memory limit": True,
        "process limit": False,
    }


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_engine_is_examined_in_three_seconds(workload_image: Image, tmp_path: Path) -> None:
    began = time.perf_counter()
    found = by_topic(examine(tmp_path))
    assert time.perf_counter() - began < 3
    assert found["Docker engine"].verdict == "good"
    assert found["base image"].verdict == "good"
    for topic in ("CPU limit", "memory limit", "process limit", "freeze", "peak memory", "leftovers"):
        assert topic in found


@pytest.mark.docker
def test_without_base_image_the_daemon_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "present_base", lambda client: None)
    monkeypatch.setattr(obtain, "registry_answers", lambda client, reference, patience_s: False)
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    found = by_topic(examine(tmp_path))
    assert found["base image"].verdict == "missing"
    assert "docker info" in found["memory limit"].value
    assert "harness run quick" in found["freeze"].mend


@pytest.mark.docker
def test_image_that_cannot_run_is_an_engine_error(docker_client: docker.DockerClient) -> None:
    with pytest.raises(EngineError, match="can be run"):
        prove(docker_client, f"{LABEL}/nothing:here")


@pytest.fixture
def names(docker_client: docker.DockerClient) -> Iterator[tuple[str, str]]:
    """Names of a test's own container and of a stranger's; both gone afterwards."""
    pair = f"doctor-ours-{uuid4().hex[:8]}", f"doctor-theirs-{uuid4().hex[:8]}"
    yield pair
    for name in pair:
        for collection in (docker_client.containers, docker_client.networks):
            try:
                found = collection.get(name)
            except NotFound:
                continue
            found.remove()


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_clean_removes_a_runs_leftovers_and_leaves_the_rest(
    docker_client: docker.DockerClient,
    workload_image: Image,
    names: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ours, theirs = names
    # A run's label of this test's own, so that it takes nothing from a run in progress beside it.
    label = f"{LABEL_RUN}.{ours}"
    monkeypatch.setattr(cleaning, "LABEL_RUN", label)
    image = workload_image.reference
    # The stranger's is made of the same image, and so carries the image's label.
    docker_client.containers.create(image, name=theirs)
    docker_client.containers.create(image, name=ours, labels={LABEL: "1", label: "crashed"})
    docker_client.networks.create(theirs)
    docker_client.networks.create(ours, labels={label: "crashed"})
    (tmp_path / f"{load_balancer.FOLDER_PREFIX}1").mkdir()
    (tmp_path / "another").mkdir()
    assert sorted(clean(docker_client, tmp_path / "disks", tmp_path)) == [
        f"container {ours}", f"folder {tmp_path / load_balancer.FOLDER_PREFIX}1", f"network {ours}",
    ]  # fmt: skip
    assert (tmp_path / "another").exists()
    assert docker_client.containers.get(theirs)
    assert docker_client.networks.list(names=[theirs])
    assert clean(docker_client, tmp_path / "disks", tmp_path) == []
