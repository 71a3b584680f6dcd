"""A registry that wants a login, over TLS: Debian's docker-registry with a certificate and a password of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest
import requests

from harness.engines.base import EngineError
from harness.engines.registry import local, twins
from harness.engines.registry.login import Credentials
from harness.engines.registry.repository import Repository
from tests.engines.registry import small_image

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: "{folder}"}}}}
http: {{addr: "{address}", secret: "s", tls: {{certificate: "{folder}/cert.pem", key: "{folder}/key.pem"}}}}
auth: {{htpasswd: {{realm: "test", path: "{folder}/htpasswd"}}}}
"""
# The password is `secret`.
HTPASSWD = "ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@pytest.fixture
def gateway(docker_client: docker.DockerClient) -> Iterator[str]:
    """An address of this machine that is not loopback: its own on a network of containers."""
    network = docker_client.networks.create(
        f"registry-test-{uuid4().hex[:8]}", driver="bridge", internal=True
    )
    network.reload()
    yield str(network.attrs["IPAM"]["Config"][0]["Gateway"])
    network.remove()


def answers(url: str, certificate: Path) -> bool:
    try:
        return requests.get(url, verify=str(certificate), timeout=1).status_code == 401
    except requests.ConnectionError:
        return False


@pytest.fixture
def strict(gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry that lets nobody in without a password."""
    with socket.socket() as free:
        free.bind((gateway, 0))
        address = f"{gateway}:{free.getsockname()[1]}"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
            "-addext", f"subjectAltName=IP:{gateway}", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "config.yml").write_text(CONFIG.format(folder=tmp_path, address=address))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    program = local.program()
    assert program, local.MEND
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(tmp_path / "config.yml")], stdout=log, stderr=log)
    try:
        end_s = time.monotonic() + 15
        while not answers(f"https://{address}/v2/", tmp_path / "cert.pem"):
            assert time.monotonic() < end_s, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def push(client: docker.DockerClient, address: str, login: Credentials | None) -> None:
    with small_image(client, b"a") as image, Repository(address, "team/test", login) as repository:
        plain, (twin,) = twins.push(client, repository, image, 1, lambda message: None)
        assert repository.find(plain.tag) == plain
        assert repository.find(twin.tag) == twin
        assert repository.find("nothing") is None


@pytest.mark.docker
def test_whoever_has_the_password_may_push(docker_client: docker.DockerClient, strict: str) -> None:
    push(docker_client, strict, Credentials("ann", "secret"))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("login", "mend"),
    [
        (None, "log in first: `docker login {}`"),
        (Credentials("ann", "wrong"), "log in with other credentials"),
    ],
)
def test_others_are_told_how_to_log_in(
    docker_client: docker.DockerClient, strict: str, login: Credentials | None, mend: str
) -> None:
    with pytest.raises(EngineError) as told:
        push(docker_client, strict, login)
    assert f"registry {strict}: may not look for" in str(told.value)
    assert mend.format(strict) in str(told.value)


@pytest.mark.docker
def test_a_certificate_that_nobody_knows_is_refused(
    docker_client: docker.DockerClient, strict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(EngineError, match="certificate verify failed"):
        push(docker_client, strict, Credentials("ann", "secret"))
