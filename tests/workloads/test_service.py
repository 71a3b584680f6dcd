"""The service entry point: a real server process, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.noop import interfaces
from tests.workloads.pictures import decoded, encode, pixels
from tests.workloads.seaweed import free_ports
from workloads.kit.errors import BadSettings
from workloads.kit.service import MAX_BODY_BYTES, workers_from

LARGE = (4000, 3000)


@dataclass(frozen=True)
class Answer:
    status: int
    media_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    port: int

    def ask(self, method: str, path: str, body: bytes = b"", media_type: str = "application/json") -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": media_type})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
        finally:
            connection.close()

    def item(self, key: str) -> Answer:
        return self.ask("POST", "/thumbnail", json.dumps({"item": key}).encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    pictures = {
        "a.jpg": encode(pixels()),
        "bad.jpg": b"no picture",
        "large.png": encode(pixels(*LARGE), "PNG"),
    }
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "workloads.thumbnail.service:app", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--log-level", "warning"], env=os.environ | interfaces(folder, pictures)
    )
    client = Client(port)
    deadline_s = time.monotonic() + 30
    while True:
        try:
            client.ask("GET", "/healthz")
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline_s, "the service did not start"
            time.sleep(0.05)
    yield client
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) in (0, -signal.SIGTERM)


def test_health(client: Client) -> None:
    answer = client.ask("GET", "/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_an_item_is_stored_and_told(client: Client, folder: Path) -> None:
    answer = client.item("a.jpg")
    result = answer.json()
    assert answer.status == 200
    assert (result["item"], result["ok"], result["row"]["results"][0]["width"]) == ("a.jpg", True, 256)
    assert result["started_ns"] < result["done_ns"] < time.monotonic_ns()
    assert decoded((folder / "out/thumbnails/a/256.jpg").read_bytes()).size == (256, 192)


@pytest.mark.parametrize(
    ("key", "status", "error"),
    [
        ("none.jpg", 404, "ObjectNotFound: "),
        ("bad.jpg", 422, "UnknownFormat: "),
        ("../../etc/passwd", 400, "InvalidKey: "),
    ],
)
def test_a_bad_item_has_a_status_of_its_own(client: Client, key: str, status: int, error: str) -> None:
    answer = client.item(key)
    assert answer.status == status
    assert answer.json()["error"].startswith(error)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"a"', b"{}", b'{"item": 7}', b'{"item": null}', b"\xff"]
)
def test_a_malformed_body_is_told_what_is_expected(client: Client, body: bytes) -> None:
    answer = client.ask("POST", "/thumbnail", body)
    assert answer.status == 400
    assert '{"item": "<key>"}' in answer.json()["error"]


def test_a_picture_in_gives_a_thumbnail_out(client: Client) -> None:
    answer = client.ask("POST", "/thumbnail", encode(pixels()), "image/jpeg")
    assert (answer.status, answer.media_type) == (200, "image/jpeg")
    assert decoded(answer.body).size == (256, 192)


def test_a_bad_picture_is_refused(client: Client) -> None:
    answer = client.ask("POST", "/thumbnail", encode(pixels())[:2000], "image/jpeg")
    assert answer.status == 422
    assert answer.json()["error"].startswith("DamagedImage: ")


def test_too_large_a_body_is_refused_before_it_is_sent(client: Client) -> None:
    connection = HTTPConnection("127.0.0.1", client.port, timeout=30)
    connection.putrequest("POST", "/thumbnail")
    connection.putheader("Content-Type", "image/jpeg")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_other_paths_and_methods_are_refused(client: Client) -> None:
    assert client.ask("GET", "/none").status == 404
    assert client.ask("GET", "/thumbnail").status == 405


def test_health_is_answered_while_work_goes_on(client: Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        items = [pool.submit(client.item, "large.png") for _ in range(2)]
        slowest_s, asked = 0.0, 0
        while not all(item.done() for item in items):
            start_s = time.perf_counter()
            assert client.ask("GET", "/healthz").status == 200
            slowest_s, asked = max(slowest_s, time.perf_counter() - start_s), asked + 1
    results = [item.result().json() for item in items]
    assert asked > 5
    assert slowest_s < min(result["work_s"] for result in results)
    # One worker: the second began when the first was done.
    first, second = sorted(results, key=lambda result: int(result["started_ns"]))
    assert second["started_ns"] >= first["done_ns"]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_the_number_of_workers_is_checked(text: str) -> None:
    with pytest.raises(BadSettings, match="SERVICE_WORKERS"):
        workers_from({"SERVICE_WORKERS": text})
