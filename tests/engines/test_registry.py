"""The image in a real registry: pushed, its twins, pulled whole each time, and removed without a trace."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.base import EngineError, Pulled
from harness.engines.image import Image
from harness.engines.registry import hosting, local, twins
from harness.engines.registry.pulling import TwinPuller, remove_twins
from harness.engines.registry.repository import Hosted, Repository, is_loopback, speaks_http
from harness.scenario import RegistrySettings
from tests.engines.registry import Served, a_registry, small_image

SOME = os.urandom(200_000)
# Made as the container is.
DOCKERS_OWN = {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console"}


def say_nothing(message: str) -> None:
    """Nobody listens."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Served]:
    with a_registry(tmp_path / "registry") as served:
        yield served


@pytest.fixture
def image(docker_client: docker.DockerClient) -> Iterator[str]:
    """The id of an image of two layers."""
    with small_image(docker_client, SOME, b"another file") as image_id:
        yield image_id
        remove_twins(docker_client, image_id)


def pushed(
    client: docker.DockerClient, registry: Served, image: str, count: int
) -> tuple[Hosted, tuple[Hosted, ...]]:
    with Repository(registry.address, "team/test", plain_http=True) as repository:
        return twins.push(client, repository, image, count, say_nothing)


def here(client: docker.DockerClient, image: str) -> list[Any]:
    """The twins of an image that the engine has now."""
    return client.images.list(filters={"label": f"{twins.LABEL_TWIN}={twins.short_id(image)}"})


def files(client: docker.DockerClient, reference: str) -> dict[str, tuple[Any, ...]]:
    """Every file of an image as a container would find it."""
    container = client.containers.create(reference)
    try:
        archive = io.BytesIO(b"".join(container.export()))  # type: ignore[arg-type]
    finally:
        container.remove()
    with tarfile.open(fileobj=archive) as found:
        return {
            entry.name: (
                entry.type, entry.mode, entry.uid, entry.gid, entry.linkname, entry.mtime if entry.isfile() else 0,
                hashlib.sha256(found.extractfile(entry).read()).digest() if entry.isfile() else b"",  # type: ignore[union-attr]
            )
            for entry in found if entry.name not in DOCKERS_OWN
        }  # fmt: skip


@given(
    # A tar of a header alone is well formed, but not to Python: Docker is tried with one below.
    st.dictionaries(
        st.text("abc/", min_size=1, max_size=9), st.binary(max_size=3000), min_size=1, max_size=5
    ),
    st.text("twin 0123", max_size=300),
)
def test_a_mark_changes_digests_and_no_file(contents: dict[str, bytes], mark: str) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in contents.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    header = twins.pax_comment(mark)
    marked = gzip.decompress(gzip.compress(header, mtime=0) + gzip.compress(plain.getvalue(), mtime=0))
    assert marked == header + plain.getvalue(), "pieces of gzip are one file"
    with tarfile.open(fileobj=io.BytesIO(marked)) as found:
        told = [(entry.name, found.extractfile(entry).read()) for entry in found]  # type: ignore[union-attr]
    plain.seek(0)
    with tarfile.open(fileobj=plain) as found:
        assert told == [(entry.name, found.extractfile(entry).read()) for entry in found]  # type: ignore[union-attr]


def test_without_the_program_the_error_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "program", lambda: None)
    with pytest.raises(EngineError, match=r"docker-registry is not on this machine; `scripts/registry\.sh`"):
        local.local_registry(tmp_path).__enter__()


def test_a_program_that_ends_at_once_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "docker-registry"
    broken.write_text("#!/bin/sh\necho out of order\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(local, "program", lambda: str(broken))
    with pytest.raises(EngineError, match=r"did not start.*out of order"):
        local.local_registry(tmp_path).__enter__()


@pytest.mark.docker
def test_registries_take_ports_of_their_own_and_end(tmp_path: Path) -> None:
    with a_registry(tmp_path / "one") as one, a_registry(tmp_path / "two") as two:
        assert one.address != two.address
    with (
        Repository(one.address, "team/test", plain_http=True) as repository,
        pytest.raises(EngineError, match=rf"registry {one.address}: could not look for t in team/test"),
    ):
        repository.find("t")


@pytest.mark.docker
def test_a_registry_ends_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from harness.engines.registry.local import local_registry\n"
        "with local_registry(Path(sys.argv[1])) as address:\n"
        "    print(address, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as harness:
        assert harness.stdout is not None
        host, port = harness.stdout.readline().strip().split(":")
        socket.create_connection((host, int(port)), 5).close()
        harness.kill()
    end_s = time.monotonic() + 10
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < end_s:
            socket.create_connection((host, int(port)), 5).close()
            time.sleep(0.05)


@pytest.mark.docker
def test_storage_of_images_that_nobody_used_for_a_week_goes(tmp_path: Path) -> None:
    old, recent = (
        local.storage_of("sha256:" + "a" * 64, tmp_path),
        local.storage_of("sha256:" + "b" * 64, tmp_path),
    )
    for folder, days in ((old, 8), (recent, 6)):
        os.utime(folder, (0, folder.stat().st_mtime - days * 86_400))
    own = local.storage_of("sha256:" + "c" * 64, tmp_path)
    assert sorted(tmp_path.iterdir()) == [recent, own]


@pytest.mark.docker
def test_the_image_itself_keeps_its_name(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    plain, none = pushed(docker_client, registry, image, 0)
    assert none == ()
    assert plain.config.digest == image
    docker_client.api.pull(plain.repository, tag=plain.tag)
    found = docker_client.images.get(plain.reference)
    assert found.id == image
    assert f"{plain.repository}@{plain.digest}" in found.attrs["RepoDigests"]
    docker_client.images.remove(plain.reference)


@pytest.mark.docker
def test_twins_have_the_same_files_and_no_layer_in_common(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    plain, others = pushed(docker_client, registry, image, 3)
    every = [plain, *others]
    for what in ("layers", "diff_ids", "chain_ids"):
        digests = [digest for one in every for digest in getattr(one, what)]
        assert len(set(digests)) == len(digests) == 4 * 2
    expected, config = files(docker_client, image), docker_client.images.get(image).attrs["Config"]
    assert expected["0"][-1] == hashlib.sha256(SOME).digest()
    for twin in others:
        docker_client.api.pull(twin.repository, tag=twin.tag)
        found = docker_client.images.get(twin.reference)
        assert found.id == twin.config.digest
        assert tuple(found.attrs["RootFS"]["Layers"]) == twin.diff_ids
        assert files(docker_client, twin.reference) == expected
        assert found.attrs["Config"]["Cmd"] == config["Cmd"]
    assert len(remove_twins(docker_client, image)) == 3
    assert here(docker_client, image) == []
    assert docker_client.images.get(image), "the image itself stays"


@pytest.mark.docker
def test_a_layer_without_files_and_one_that_occurs_twice_have_twins_too(
    docker_client: docker.DockerClient, registry: Served, tmp_path: Path, image: str
) -> None:
    empty, config = bytes(1024), docker_client.images.get(image).attrs
    diff_id = f"sha256:{hashlib.sha256(empty).hexdigest()}"
    about = {
        "architecture": config["Architecture"], "os": "linux", "config": {"Cmd": ["/0"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id, diff_id]},
    }  # fmt: skip
    (tmp_path / "0.tar").write_bytes(empty)
    (tmp_path / "0.tar.gz").write_bytes(gzip.compress(empty))
    layer = twins.Layer(tmp_path / "0.tar", tmp_path / "0.tar.gz")
    made = twins.Unpacked(image, json.dumps(about).encode(), (layer, layer), tmp_path)
    with Repository(registry.address, "team/test", plain_http=True) as repository:
        plain = twins.push_one(repository, made, "plain", None)
        twin = twins.push_one(repository, made, "twin", "twin 0")
    assert plain.diff_ids == (diff_id, diff_id)
    assert len(set(twin.diff_ids)) == 2
    docker_client.api.pull(twin.repository, tag=twin.tag)
    assert tuple(docker_client.images.get(twin.reference).attrs["RootFS"]["Layers"]) == twin.diff_ids
    assert remove_twins(docker_client, image) == [twin.reference]


@pytest.mark.docker
def test_what_is_there_is_not_pushed_again(
    docker_client: docker.DockerClient, registry: Served, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pushed(docker_client, registry, image, 2)

    def refuse(*arguments: object) -> None:
        raise AssertionError("pushed again")

    monkeypatch.setattr(twins, "push_one", refuse)
    assert pushed(docker_client, registry, image, 2) == first


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_every_cold_pull_moves_every_byte_while_other_containers_of_the_image_run(
    docker_client: docker.DockerClient, registry: Served, workload_image: Image
) -> None:
    plain, others = pushed(docker_client, registry, workload_image.id, 2)
    running = docker_client.containers.run(workload_image.id, ["sleep", "60"], entrypoint=[], detach=True)
    registry.sent_bytes()

    async def cold(puller: TwinPuller) -> Pulled:
        pulled = await puller.pull()
        container = docker_client.containers.run(
            pulled.reference, ["sleep", "60"], entrypoint=[], detach=True
        )
        container.remove(force=True)
        puller.release(pulled)
        return pulled

    async def main() -> None:
        puller = TwinPuller(docker_client, workload_image.id, others)
        for _ in range(2):  # after the first round everything has been here once
            both = await asyncio.gather(cold(puller), cold(puller))
            assert {pulled.reference for pulled in both} == {twin.reference for twin in others}
            for pulled in both:
                assert pulled.layers == len(plain.layers)
                assert pulled.layers_cached == 0
                assert pulled.compressed_bytes > 0.99 * plain.compressed_bytes
            assert registry.sent_bytes() == sum(pulled.compressed_bytes for pulled in both)
            assert await puller.settle() == []
            assert here(docker_client, workload_image.id) == []
        puller.close()

    try:
        asyncio.run(main())
    finally:
        running.remove(force=True)
    assert docker_client.images.get(workload_image.id)


@pytest.mark.docker
def test_one_twin_serves_one_cold_start_after_another(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    _, others = pushed(docker_client, registry, image, 1)

    async def main() -> list[Pulled]:
        puller = TwinPuller(docker_client, image, others)
        found = []
        for _ in range(3):
            found.append(await puller.pull())
            puller.release(found[-1])
        puller.close()
        return found

    assert [pulled.layers_cached for pulled in asyncio.run(main())] == [0, 0, 0]
    assert here(docker_client, image) == []


@pytest.mark.docker
def test_more_containers_than_twins_find_layers_here_and_that_is_counted(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    _, others = pushed(docker_client, registry, image, 1)

    async def main() -> None:
        puller = TwinPuller(docker_client, image, others)
        first, second = await asyncio.gather(puller.pull(), puller.pull())
        assert (first.layers_cached, second.layers_cached) == (0, 2)
        assert first.compressed_bytes == others[0].compressed_bytes
        assert second.compressed_bytes == 0
        puller.release(first)
        assert await puller.settle() == []
        assert here(docker_client, image), "the second still uses it"
        puller.release(second)
        await puller.settle()
        assert here(docker_client, image) == []
        puller.close()

    asyncio.run(main())


@pytest.mark.docker
def test_a_twin_that_somebody_keeps_is_told_of_and_then_counted(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    _, others = pushed(docker_client, registry, image, 1)

    async def main() -> None:
        puller = TwinPuller(docker_client, image, others)
        pulled = await puller.pull()
        stranger = docker_client.containers.create(pulled.reference)
        try:
            puller.release(pulled)
            (told,) = await puller.settle()
            assert f"could not remove {pulled.reference}" in told
            assert (await puller.pull()).layers_cached == 2
        finally:
            stranger.remove()
        puller.close()

    asyncio.run(main())
    assert here(docker_client, image) == [], "what stays behind is removed at the end"


@pytest.mark.docker
def test_whoever_gives_up_leaves_nothing_behind(
    docker_client: docker.DockerClient, registry: Served, image: str
) -> None:
    _, others = pushed(docker_client, registry, image, 1)

    async def main() -> None:
        puller = TwinPuller(docker_client, image, others)
        pulling = asyncio.create_task(puller.pull())
        await asyncio.sleep(0)  # it begins
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling
        assert (await puller.pull()).layers_cached in {0, 2}
        puller.close()

    asyncio.run(main())
    assert here(docker_client, image) == []


@pytest.mark.docker
def test_a_dead_registry_is_a_clear_error_and_costs_no_twin(
    docker_client: docker.DockerClient, tmp_path: Path, image: str
) -> None:
    with a_registry(tmp_path / "registry") as registry:
        _, others = pushed(docker_client, registry, image, 1)

    async def main() -> None:
        puller = TwinPuller(docker_client, image, others)
        told = rf"could not pull {re.escape(others[0].reference)}: .*connection refused.*on this machine"
        for _ in range(3):
            with pytest.raises(EngineError, match=told):
                await puller.pull()
        assert await puller.settle() == []
        puller.close()

    asyncio.run(main())


@pytest.mark.docker
def test_an_image_is_hosted_for_as_long_as_it_is_wanted(
    docker_client: docker.DockerClient, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "STORAGE", tmp_path)
    monkeypatch.setattr(hosting, "storage_of", lambda image_id: tmp_path / "own")
    for settings, at_once, count in (
        (RegistrySettings(), 1, 4),
        (RegistrySettings(), 3, 6),
        (RegistrySettings(), 500, 16),
        (RegistrySettings(twins=2), 500, 2),
        (RegistrySettings(pull="never"), 3, 0),
    ):
        with hosting.hosted(docker_client, image, "w", settings, at_once, say_nothing) as found:
            told = found.describe()
            assert (found.puller is None) is (count == 0)
        assert (told["registry"], told["twins"], told["layers"]) == ("local", count, 2)
        assert told["compressed_bytes"] == found.image.compressed_bytes > len(SOME)
        assert str(told["repository"]).endswith("/placement-harness/w")


@pytest.mark.docker
def test_plain_http_is_spoken_where_the_engine_would(docker_client: docker.DockerClient) -> None:
    assert speaks_http(docker_client, "127.0.0.1:5000")
    assert speaks_http(docker_client, "localhost")
    assert not speaks_http(docker_client, "registry.example.com:5000")
    assert not speaks_http(docker_client, "192.0.2.1:5000")
    assert not is_loopback("registry.example.com")
