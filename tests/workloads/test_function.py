"""The function entry point: S3 notifications in, results or a named error out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.noop import interfaces, noop
from tests.workloads.pictures import decoded, encode, pixels
from tests.workloads.test_table import rows_of
from workloads.kit.function import ItemFailed, keys_of, make_handler


def record(key: str) -> dict[str, Any]:
    """A record as S3 sends it (the example of the S3 user's guide, event version 2.1)."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-west-2",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {"name": "mybucket", "arn": "arn:aws:s3:::mybucket"},
            "object": {"key": key, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e"},
        },
    }


def event(*keys: str) -> dict[str, Any]:
    return {"Records": [record(key) for key in keys]}


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("HappyFace.jpg", "HappyFace.jpg"),
        ("red+flower.jpg", "red flower.jpg"),
        ("a%2Bb.jpg", "a+b.jpg"),
        ("photos/%C3%A4.jpg", "photos/ä.jpg"),
    ],
)
def test_keys_are_decoded(sent: str, key: str) -> None:
    assert keys_of(event(sent)) == [key]


@pytest.mark.parametrize("wrong", [{}, {"Records": []}, {"Records": "x"}, [], None, "text", {"item": "a"}])
def test_an_event_without_records_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match='event has no "Records"'):
        keys_of(wrong)


@pytest.mark.parametrize("wrong", [{}, {"s3": {}}, {"s3": {"object": {"key": 7}}}, None])
def test_a_record_without_a_key_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match='no text at "s3" -> "object" -> "key"'):
        keys_of({"Records": [wrong]})


def test_all_records_are_done(tmp_path: Path) -> None:
    handler = make_handler(noop, interfaces(tmp_path, {"a b.jpg": b"1", "c.jpg": b"22"}))
    answer = handler(event("a+b.jpg", "c.jpg"), None)
    assert [(result["item"], result["ok"], result["bytes_in"]) for result in answer["results"]] == [
        ("a b.jpg", True, 1),
        ("c.jpg", True, 2),
    ]
    json.dumps(answer)  # Lambda sends it as JSON


def test_a_bad_record_is_an_error_by_the_workloads_name(tmp_path: Path) -> None:
    handler = make_handler(noop, interfaces(tmp_path, {"bad": b"bad", "good": b"1"}))
    with pytest.raises(ItemFailed, match="bad: it begins with bad") as caught:
        handler(event("bad", "good"), None)
    assert type(caught.value).__name__ == "Refused"
    assert list(rows_of(tmp_path / "items.sqlite")) == ["good"]


def test_a_missing_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ItemFailed) as caught:
        make_handler(noop, interfaces(tmp_path, {"a": b"1"}))(event("none"), None)
    assert type(caught.value).__name__ == "ObjectNotFound"


def test_the_thumbnail_function_makes_thumbnails(tmp_path: Path) -> None:
    settings = {"WORKLOAD_SETTINGS": '{"sizes": [64], "format": "webp"}'}
    environ = interfaces(tmp_path, {"a.jpg": encode(pixels())}) | settings
    call = "import json, sys; from workloads.thumbnail.function import handler; "
    call += "print(json.dumps(handler(json.load(sys.stdin), None)))"
    done = subprocess.run(
        [sys.executable, "-c", call],
        env=os.environ | environ,
        input=json.dumps(event("a.jpg")),
        capture_output=True,
        text=True,
        check=True,
    )
    (result,) = json.loads(done.stdout)["results"]
    assert result["row"]["results"][0]["width"] == 64
    assert decoded((tmp_path / "out/thumbnails/a/64.webp").read_bytes()).format == "WEBP"


@pytest.mark.parametrize("module", ["function", "job"])
def test_a_cold_start_loads_only_what_it_needs(module: str) -> None:
    code = f"import sys, workloads.thumbnail.{module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "starlette",
        "anyio",
        "boto3",
        "botocore",
        "pydantic",
        "numpy",
        "asyncio",
        "sqlite3",
        "PIL.ImageCms",
    }
    assert not heavy & set(loaded)
