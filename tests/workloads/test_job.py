"""The batch entry point, as a real process with the variables that AWS Batch sets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.noop import interfaces, write_manifest
from tests.workloads.pictures import encode, pixels
from tests.workloads.test_table import rows_of
from workloads.kit.errors import BadSettings
from workloads.kit.job import array_place

COMMAND = [sys.executable, "-m", "workloads.thumbnail.job"]
INDEX, SIZE = "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, env=os.environ | environ, capture_output=True, text=True, check=False)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    keys = [f"{index}.jpg" for index in range(7)]
    found = interfaces(tmp_path, dict.fromkeys(keys, encode(pixels())))
    return found | {"MANIFEST": write_manifest(tmp_path, keys)}


def test_children_of_an_array_do_each_item_once(tmp_path: Path, environ: dict[str, str]) -> None:
    children = [
        subprocess.Popen(
            COMMAND, env=os.environ | environ | {INDEX: str(index), SIZE: "3"}, stdout=subprocess.PIPE
        )
        for index in range(3)
    ]
    told = [lines(child.communicate()[0].decode()) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    done = [[line["item"] for line in child if line["type"] == "item"] for child in told]
    assert done == [["0.jpg", "3.jpg", "6.jpg"], ["1.jpg", "4.jpg"], ["2.jpg", "5.jpg"]]
    assert len(rows_of(tmp_path / "items.sqlite")) == 7
    assert len(list((tmp_path / "out" / "thumbnails").rglob("*.jpg"))) == 7


def test_lines_tell_ready_items_and_done(environ: dict[str, str]) -> None:
    before_ns = time.monotonic_ns()
    told = lines(run(environ).stdout)
    assert [line["type"] for line in told] == ["ready", *["item"] * 7, "done"]
    assert told[-1] == {"type": "done", "items": 7, "failed": 0}
    moments_ns = [before_ns, told[0]["at_ns"], told[1]["started_ns"], told[1]["done_ns"], time.monotonic_ns()]
    assert moments_ns == sorted(moments_ns)


def test_a_bad_item_does_not_stop_the_rest(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "in" / "0.jpg").write_text("no picture")
    (tmp_path / "in" / "1.jpg").unlink()
    done = run(environ)
    assert done.returncode == 1
    told = lines(done.stdout)
    assert told[1]["error"].startswith("UnknownFormat: ")
    assert told[2]["error"].startswith("ObjectNotFound: ")
    assert told[-1] == {"type": "done", "items": 7, "failed": 2}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({INDEX: "3", SIZE: "3"}, INDEX),
        ({INDEX: "0"}, SIZE),
        ({SIZE: "2"}, INDEX),
        ({"MANIFEST": ""}, "MANIFEST"),
        ({"MANIFEST": "none.json"}, "ObjectNotFound|none.json"),
        ({"STORE_IN": "ftp://x"}, "ftp://x"),
        ({"WORKLOAD_SETTINGS": '{"sizes": [0]}'}, "sizes"),
    ],
)
def test_a_wrong_set_up_ends_with_2(environ: dict[str, str], change: dict[str, str], named: str) -> None:
    done = run(environ | change)
    assert done.returncode == 2, done.stderr
    assert any(word in done.stderr for word in named.split("|"))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[1, 2]"])
def test_a_manifest_must_be_a_list_of_texts(tmp_path: Path, environ: dict[str, str], content: str) -> None:
    (tmp_path / "out" / "manifest.json").write_text(content)
    done = run(environ)
    assert done.returncode == 2
    assert "manifest.json" in done.stderr


@pytest.mark.parametrize(
    ("index", "size"), [("-1", "2"), ("2", "2"), ("x", "2"), ("0", "0"), ("1.0", "2"), ("", "")]
)
def test_array_numbers_are_checked(index: str, size: str) -> None:
    with pytest.raises(BadSettings, match="0 <= index < size"):
        array_place({INDEX: index, SIZE: size})


def test_sigterm_ends_it_at_once(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["MANIFEST"] = write_manifest(tmp_path, ["0.jpg"] * 100_000)
    job = subprocess.Popen(COMMAND, env=os.environ | environ, stdout=subprocess.PIPE)
    assert job.stdout is not None
    told = [json.loads(job.stdout.readline())["type"] for _ in range(3)]
    job.send_signal(signal.SIGTERM)
    rest = job.communicate(timeout=10)[0]
    assert told == ["ready", "item", "item"]
    assert job.returncode == 143
    assert b'"done", "items"' not in rest
