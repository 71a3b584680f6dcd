"""One step: fetch, work, store, row, each timed; failures of items told apart from bugs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.noop import interfaces, noop
from tests.workloads.test_table import rows_of
from workloads.kit.errors import BadSettings
from workloads.kit.step import Output, Work, open_interfaces, run_item

FIELDS = [
    "item",
    "ok",
    "error",
    "started_ns",
    "done_ns",
    "fetch_s",
    "work_s",
    "store_s",
    "cpu_s",
    "bytes_in",
    "bytes_out",
    "row",
]


def slow(data: bytes, settings: Mapping[str, Any]) -> Work:
    """Sleep 50 ms, then compute for 50 ms of CPU time; two outputs."""
    time.sleep(0.05)
    until_s = time.thread_time() + 0.05
    while time.thread_time() < until_s:
        pass
    return Work((Output("a", b"12", "text/plain"), Output("b", b"345", "text/plain")), {})


def test_an_item_is_stored_and_told(tmp_path: Path) -> None:
    environ = interfaces(tmp_path, {"photos/a.b.jpg": b"hello"})
    before_ns = time.monotonic_ns()
    result = run_item("photos/a.b.jpg", noop, environ)
    assert before_ns <= result.started_ns <= result.done_ns <= time.monotonic_ns()
    assert (result.ok, result.error, result.bytes_in, result.bytes_out) == (True, "", 5, 5)
    assert (tmp_path / "out/noops/photos/a.b/copy.bin").read_bytes() == b"hello"
    assert result.row == {"item": "photos/a.b.jpg", "work_s": result.work_s, "length": 5}
    assert rows_of(tmp_path / "items.sqlite") == {"photos/a.b.jpg": result.row}


def test_the_fields_are_what_the_harness_reads(tmp_path: Path) -> None:
    told = run_item("a", noop, interfaces(tmp_path, {"a": b"1"})).to_json()
    assert list(told) == FIELDS
    assert json.loads(json.dumps(told)) == told


def test_parts_are_timed_apart(tmp_path: Path) -> None:
    result = run_item("a", slow, interfaces(tmp_path, {"a": b"1"}))
    assert 0.1 <= result.work_s < 1
    assert 0.05 <= result.cpu_s < result.work_s
    assert result.bytes_out == 5
    total_s = (result.done_ns - result.started_ns) / 1e9
    parts_s = result.fetch_s + result.work_s + result.store_s
    assert parts_s <= total_s < parts_s + 0.05


def test_a_repeat_leaves_the_same(tmp_path: Path) -> None:
    environ = interfaces(tmp_path, {"a": b"1"})
    run_item("a", noop, environ)
    run_item("a", noop, environ)
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["copy.bin"]
    assert len(rows_of(tmp_path / "items.sqlite")) == 1


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("bad", "Refused: it begins with bad"),
        ("none", "ObjectNotFound: no object 'none'"),
        ("../a", "InvalidKey: key '../a'"),
    ],
)
def test_a_bad_item_fails_alone(tmp_path: Path, item: str, error: str) -> None:
    result = run_item(item, noop, interfaces(tmp_path, {"bad": b"bad"}))
    assert not result.ok
    assert result.error.startswith(error)
    assert (result.bytes_out, result.row) == (0, {})
    assert not list((tmp_path / "out").iterdir())


def test_a_bug_propagates(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug in the workload"):
        run_item("bug", noop, interfaces(tmp_path, {"bug": b"bug"}))


def test_settings_reach_the_workload(tmp_path: Path) -> None:
    environ = interfaces(tmp_path, {"a": b"1"}) | {"WORKLOAD_SETTINGS": '{"colour": "red"}'}
    assert run_item("a", noop, environ).row["colour"] == "red"


@pytest.mark.parametrize("text", ["{", "[1]", "7"])
def test_settings_must_be_a_json_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings, match="WORKLOAD_SETTINGS"):
        run_item("a", noop, interfaces(tmp_path, {"a": b"1"}) | {"WORKLOAD_SETTINGS": text})


def test_interfaces_are_opened_once(tmp_path: Path) -> None:
    environ = interfaces(tmp_path, {})
    assert open_interfaces(environ) is open_interfaces(dict(environ))


def test_missing_variables_are_named() -> None:
    with pytest.raises(BadSettings, match="STORE_OUT, TABLE"):
        open_interfaces({"STORE_IN": "file:///in"})
