"""The workload's image: really built, named by its inputs, and able to run as placements run it."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from threading import Event

import docker
import pytest

from harness.engines import base_image, debian, image, obtain, wheels
from harness.engines.base import LABEL, EngineError
from harness.engines.image import Image, ensure_image

# `runtime_client` is the compiled half of awslambdaric, which it imports only when it runs.
IMPORTS = (
    "import PIL.Image, awslambdaric.bootstrap, runtime_client, uvicorn, starlette.applications, boto3, "
    "gunicorn.arbiter, prometheus_client"
)
# Asks the service of the same container; waits until it is healthy.
ASK = """
import sys, time, urllib.request
for _ in range(300):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8080" + sys.argv[1]).read().decode())
        break
    except OSError:
        time.sleep(0.1)
"""


def run(client: docker.DockerClient, reference: str, *command: str) -> str:
    """Output of a command under the same conditions as in a placement."""
    output = client.containers.run(
        reference,
        list(command),
        network_mode="none",
        read_only=True,
        remove=True,
        stderr=True,
        cap_drop=["ALL"],
    )
    return output.decode()


@pytest.fixture
def tree(tmp_path: Path, root: Path) -> Path:
    """A copy of the workloads that a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "workloads", tmp_path / "workloads", ignore=ignored)
    return tmp_path


@pytest.mark.docker
@pytest.mark.timeout(300)  # the first of these tests builds base and image on a bare machine
def test_image_runs_without_root_network_or_writable_root(
    docker_client: docker.DockerClient, workload_image: Image
) -> None:
    command = f"{IMPORTS}; import os, sys; print(os.getuid(), sys.version_info[:2])"
    assert run(docker_client, workload_image.reference, "python3", "-c", command).strip() == "10001 (3, 11)"


@pytest.mark.docker
def test_cold_start_compiles_nothing(docker_client: docker.DockerClient, workload_image: Image) -> None:
    output = run(docker_client, workload_image.reference, "python3", "-v", "-c", IMPORTS)
    assert "/opt/python/boto3/__pycache__/session.cpython-311.pyc" in output
    assert re.findall(r"^# code object from '[^']*\.py'", output, re.MULTILINE) == []


@pytest.mark.docker
@pytest.mark.parametrize("workers", ["1", "2"])
def test_service_runs_in_what_a_task_may_use(
    docker_client: docker.DockerClient, workload_image: Image, workers: str
) -> None:
    container = docker_client.containers.run(
        workload_image.reference,
        ["python3", "-m", "workloads.thumbnail.service", "--host", "127.0.0.1", "--port", "8080"],
        environment={"SERVICE_WORKERS": workers},
        detach=True,
        network_mode="none",
        read_only=True,
        tmpfs={"/tmp": "size=64m"},
        mem_limit="128m",
        pids_limit=32,
        cap_drop=["ALL"],
    )
    try:
        for path, answer in (("/healthz", b'"ok"'), ("/metrics", b"service_queue_depth 0.0")):
            output = container.exec_run(["python3", "-c", ASK, path]).output
            assert isinstance(output, bytes)
            assert answer in output
        container.stop(timeout=20)
        assert (container.wait()["StatusCode"], container.logs()) == (0, b"")
    finally:
        container.remove(force=True)


@pytest.mark.docker
def test_image_is_labelled_and_described(docker_client: docker.DockerClient, workload_image: Image) -> None:
    found = docker_client.images.get(workload_image.reference)
    assert found.labels[LABEL] == "thumbnail"
    assert found.id == workload_image.id
    assert workload_image.reference == f"{LABEL}/thumbnail:{workload_image.inputs_digest[:16]}"
    assert workload_image.size_bytes < 300e6


@pytest.mark.docker
def test_second_call_reuses_the_image(
    docker_client: docker.DockerClient, workload_image: Image, root: Path
) -> None:
    said: list[str] = []
    again = ensure_image(docker_client, "thumbnail", root, said.append)
    assert (again.id, again.built_now, said) == (workload_image.id, False, [])


@pytest.mark.docker
def test_changed_source_makes_another_image(
    docker_client: docker.DockerClient, workload_image: Image, tree: Path
) -> None:
    (tree / "workloads/thumbnail/marker.py").write_text('"""Only in this image."""\n')
    changed = ensure_image(docker_client, "thumbnail", tree, print)
    try:
        assert changed.reference != workload_image.reference
        assert changed.built_now
        found = run(docker_client, changed.reference, "python3", "-c", "import workloads.thumbnail.marker")
        assert found == ""
    finally:
        docker_client.images.remove(changed.reference)


@pytest.mark.docker
def test_broken_dockerfile_shows_what_the_build_said(
    docker_client: docker.DockerClient, workload_image: Image, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = "ARG BASE\nFROM ${BASE}\nRUN echo before the end && exit 7\n"
    (tree / "workloads/thumbnail/Dockerfile").write_text(dockerfile)
    monkeypatch.setattr(wheels, "install", lambda lock, target, architecture: target.mkdir())
    with pytest.raises(EngineError, match=r"(?s)non-zero code: 7.*before the end"):
        ensure_image(docker_client, "thumbnail", tree, print)


@pytest.mark.docker
def test_workload_that_is_not_there_is_named(docker_client: docker.DockerClient, root: Path) -> None:
    with pytest.raises(EngineError, match=r"workloads/nothing is missing: there is no workload 'nothing'"):
        ensure_image(docker_client, "nothing", root, print)


def digest(tree: Path) -> str:
    return image._digest(tree / "workloads/thumbnail", tree, ("x86_64", "sha256:base"))


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("thumbnail/Dockerfile", True),
        ("thumbnail/requirements.lock", True),
        ("thumbnail/new.py", True),
        ("kit/new.py", True),
        ("kit/Dockerfile", True),
        ("kit/requirements.lock", False),
        ("kit/requirements.in", False),
        ("kit/corpus.py", False),
        ("thumbnail/scenarios/new.toml", False),
        ("thumbnail/corpus.py", False),
        ("thumbnail/requirements.in", False),
        ("thumbnail/__pycache__/new.pyc", False),
        ("another/new.py", False),
    ],
)
def test_name_depends_on_what_goes_in_and_nothing_else(tree: Path, path: str, changes: bool) -> None:
    before = digest(tree)
    file = tree / "workloads" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        opened.write("# changed\n")
    assert (digest(tree) != before) is changes


def test_a_workload_without_a_lock_file_has_the_kits_packages(tree: Path) -> None:
    def archive_digest() -> str:
        return image._digest(tree / "workloads/archive", tree, ("x86_64", "sha256:base"))

    digests = [archive_digest()]
    for path in ("kit/requirements.lock", "archive/requirements.lock", "archive/Dockerfile"):
        with (tree / "workloads" / path).open("a") as opened:
            opened.write("# changed\n")
        digests.append(archive_digest())
    assert len(set(digests)) == 4


def test_base_without_registry_or_mmdebstrap_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(obtain, "present", lambda client, pulled, recipe: None)
    monkeypatch.setattr(obtain, "registry_answers", lambda client, reference: False)
    client = docker.DockerClient.__new__(docker.DockerClient)
    with pytest.raises(EngineError, match="apt-get install mmdebstrap"):
        base_image.ensure_base(client, "x86_64", print)


def test_failed_bootstrap_shows_what_mmdebstrap_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "mmdebstrap"
    fake.write_text("#!/bin/sh\necho E: no mirror >&2\nexit 25\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(EngineError, match=r"(?s)exit code 25.*E: no mirror.*apt-get update"):
        debian.bootstrap(base_image.RECIPE, tmp_path / "root.tar", "x86_64")


def test_silent_registry_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        @property
        def images(self) -> Silent:
            return self

        def get_registry_data(self, name: str) -> None:
            released.wait(5)

    released = Event()
    assert not obtain.registry_answers(Silent(), "python:3.11-slim", patience_s=0.05)  # type: ignore[arg-type]
    released.set()


def test_package_with_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"six==1.17.0 --hash=sha256:{hashlib.sha256(b'other').hexdigest()}\n")
    with pytest.raises(EngineError, match="could not fetch the packages"):
        wheels.install(lock, tmp_path / "site", "x86_64")
