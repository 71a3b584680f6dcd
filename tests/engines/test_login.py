"""Logins: tokens of Amazon ECR by boto3's own protocol, and what `docker login` leaves."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from harness.engines.base import EngineError
from harness.engines.registry.login import Credentials, credentials, from_ecr

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ANSWER = {
    "authorizationData": [
        {
            "authorizationToken": base64.b64encode(b"AWS:a:token").decode(),
            "proxyEndpoint": f"https://{ECR}",
        }
    ]
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A made-up account, and no configuration of whoever runs the tests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


class Ecr(BaseHTTPRequestHandler):
    """ECR's answer to one operation; keeps what it was asked."""

    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.headers["X-Amz-Target"], self.headers["Authorization"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """An endpoint that boto3 takes for ECR, and what it was asked."""
    Ecr.asked = []
    with HTTPServer(("127.0.0.1", 0), Ecr) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{server.server_port}")
        yield Ecr.asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "region"),
    [
        (ECR, "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_ecr_is_asked_in_the_regions_of_its_addresses(
    ecr: list[tuple[str, str]], address: str, region: str
) -> None:
    assert credentials(address) == Credentials("AWS", "a:token")
    ((target, authorization),) = ecr
    assert target.endswith(".GetAuthorizationToken")
    assert f"/{region}/ecr/aws4_request" in authorization


def test_a_token_is_split_at_its_first_colon() -> None:
    client = boto3.client("ecr", region_name="eu-west-1")
    with Stubber(client) as stub:
        stub.add_response("get_authorization_token", ANSWER, {})
        assert from_ecr(client).for_docker() == {"username": "AWS", "password": "a:token"}
        stub.add_client_error("get_authorization_token", "AccessDeniedException")
        with pytest.raises(ClientError):
            from_ecr(client)


def test_without_aws_credentials_the_error_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(EngineError, match=r"credentials that allow ecr:GetAuthorizationToken"):
        credentials(ECR)


def test_other_registries_take_what_docker_login_left(tmp_path: Path) -> None:
    token = base64.b64encode(b"ann:secret").decode()
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"registry.example.com:5000": {"auth": token}}})
    )
    assert credentials("registry.example.com:5000") == Credentials("ann", "secret")
    assert credentials("elsewhere.example.com") is None


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A credential helper called `made-up`, in place of one that belongs to a desktop."""
    path = folder / "docker-credential-made-up"
    path.write_text(f"#!/bin/sh\ncat >/dev/null\n{program}\n")
    path.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {"registry.example.com": "made-up"}}))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.dumps({"ServerURL": "registry.example.com", "Username": "ann", "Secret": "s"})
    helper(tmp_path, monkeypatch, f"echo '{told}'")
    assert credentials("registry.example.com") == Credentials("ann", "s")


def test_a_credential_helper_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, "echo locked; exit 1")
    with pytest.raises(EngineError, match=r"registry\.example\.com: Docker's credential helper failed"):
        credentials("registry.example.com")
