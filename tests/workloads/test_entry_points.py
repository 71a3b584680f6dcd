"""The entry points of workloads that bring none of their own, as real processes; and which of them a bench chooses."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import RunClock
from tests.fakes import Ledger, a_bench
from tests.workloads.noop import interfaces, write_manifest
from tests.workloads.serving import served
from workloads.kit import handlers

TEXT = b"one line\n" * 1000


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    found = interfaces(tmp_path, {"a.log.gz": gzip.compress(TEXT), "bad.gz": b"this is no gzip"})
    return found | {"MANIFEST": write_manifest(tmp_path, ["a.log.gz", "bad.gz"])}


def kit(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workloads.kit", *arguments]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)


def packed(tmp_path: Path) -> bytes:
    return lzma.decompress((tmp_path / "out/archives/a.log/content.xz").read_bytes())


def test_a_job_does_its_manifest(tmp_path: Path, environ: dict[str, str]) -> None:
    done = kit("job", "archive", **environ)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, "an item failed"
    assert [(line["type"], line.get("ok")) for line in told] == [
        ("ready", None), ("item", True), ("item", False), ("done", None),
    ]  # fmt: skip
    assert told[2]["error"].startswith("BadArchive: not gzip")
    assert packed(tmp_path) == TEXT


def test_a_service_answers_items_and_bodies_of_any_type(tmp_path: Path, environ: dict[str, str]) -> None:
    with served("workloads.kit", tmp_path, environ, arguments=("service", "archive")) as service:
        assert service.item("a.log.gz", "archive").status == 200
        assert service.item("bad.gz", "archive").status == 422
        answer = service.ask("POST", "/archive", gzip.compress(TEXT), "application/gzip")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-xz")
        assert lzma.decompress(answer.body) == TEXT
        for told_nothing in ("application/x-www-form-urlencoded", "application/json; charset=utf-8"):
            item = json.dumps({"item": "a.log.gz"}).encode()
            assert service.ask("POST", "/archive", item, told_nothing).status == 200
    assert packed(tmp_path) == TEXT


def test_a_function_answers_an_event(tmp_path: Path, environ: dict[str, str]) -> None:
    code = (
        "import json, workloads.kit.handlers as h; "
        'event = {"Records": [{"s3": {"object": {"key": "a.log.gz"}}}]}; '
        'print(json.dumps(getattr(h, "archive")(event, None)))'
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environ, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["results"][0]["row"]["lines"] == 1000
    assert packed(tmp_path) == TEXT


@pytest.mark.parametrize("arguments", [(), ("job",), ("job", "archive", "more"), ("daemon", "archive")])
def test_bad_usage_is_told(arguments: tuple[str, ...]) -> None:
    done = kit(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python3 -m workloads.kit job WORKLOAD | service WORKLOAD")


def test_there_is_no_handler_of_a_workload_that_is_not_there() -> None:
    with pytest.raises(ImportError, match=r"workloads\.nothing"):
        handlers.nothing  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import sys, workloads.kit.handlers as h; h.archive; print(*sys.modules)",
        "import sys, workloads.kit.__main__ as m; m.find('archive'); import workloads.kit.job; print(*sys.modules)",
    ],
    ids=["function", "job"],
)
def test_a_cold_start_loads_only_what_it_needs(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"starlette", "boto3", "botocore", "pydantic", "numpy", "asyncio", "sqlite3", "PIL"}
    assert not loaded & (heavy | {"workloads.kit.corpus", "workloads.kit.server", "workloads.archive.corpus"})


def test_own_entry_points_come_before_the_kits() -> None:
    bench = a_bench(Ledger(), RunClock())
    own, common = replace(bench, workload="thumbnail"), replace(bench, workload="archive")
    assert own.entry_point("job") == ("python3", "-m", "workloads.thumbnail.job")
    assert own.handler() == "workloads.thumbnail.function.handler"
    assert common.entry_point("service") == ("python3", "-m", "workloads.kit", "service", "archive")
    assert common.handler() == "workloads.kit.handlers.archive"
