"""The service entry point: a real server process, asked over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.workloads.noop import interfaces
from tests.workloads.pictures import decoded, encode, pixels
from tests.workloads.serving import Service, served
from workloads.kit.service_settings import ServiceSettings

LARGE = (4000, 3000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Service]:
    pictures = {
        "a.jpg": encode(pixels()),
        "bad.jpg": b"no picture",
        "large.png": encode(pixels(*LARGE), "PNG"),
    }
    with served("workloads.thumbnail.service", folder, interfaces(folder, pictures)) as service:
        yield service


def test_health(client: Service) -> None:
    answer = client.ask("GET", "/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_an_item_is_stored_and_told(client: Service, folder: Path) -> None:
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
def test_a_bad_item_has_a_status_of_its_own(client: Service, key: str, status: int, error: str) -> None:
    answer = client.item(key)
    assert answer.status == status
    assert answer.json()["error"].startswith(error)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"a"', b"{}", b'{"item": 7}', b'{"item": null}', b"\xff"]
)
def test_a_malformed_body_is_told_what_is_expected(client: Service, body: bytes) -> None:
    answer = client.ask("POST", "/thumbnail", body)
    assert answer.status == 400
    assert '{"item": "<key>"}' in answer.json()["error"]


def test_a_picture_in_gives_a_thumbnail_out(client: Service) -> None:
    answer = client.ask("POST", "/thumbnail", encode(pixels()), "image/jpeg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert decoded(answer.body).size == (256, 192)


def test_a_bad_picture_is_refused(client: Service) -> None:
    answer = client.ask("POST", "/thumbnail", encode(pixels())[:2000], "image/jpeg")
    assert answer.status == 422
    assert answer.json()["error"].startswith("DamagedImage: ")


def test_too_large_a_body_is_refused_before_it_is_sent(client: Service) -> None:
    connection = client.connect()
    connection.putrequest("POST", "/thumbnail")
    connection.putheader("Content-Type", "image/jpeg")
    connection.putheader("Content-Length", str(ServiceSettings().max_body_bytes + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_other_paths_and_methods_are_refused(client: Service) -> None:
    assert client.ask("GET", "/none").status == 404
    assert client.ask("GET", "/thumbnail").status == 405


def test_health_is_answered_while_work_goes_on(client: Service) -> None:
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
    # One thread: the second began when the first was done.
    first, second = sorted(results, key=lambda result: int(result["started_ns"]))
    assert second["started_ns"] >= first["done_ns"]
