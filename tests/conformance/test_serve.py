"""`harness serve` as a person starts it, with unmodified clients against it, and the run that it leaves."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from harness import load
from harness.runs import Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]
SCENARIO = """
name = "served"
title = "Functions for clients"
workload = "thumbnail"
seed = 1
blocks = 1
phases = [{{ name = "drop", arrivals = {{ kind = "drop", items = 1 }} }}]
[corpus]
items = 1
[placements.talks]
kind = "function"
image = "{python}"
memory_mb = 512
timeout_s = 2
max_environments = 3
time_scale = 0.001
[placements.narrow]
kind = "function"
image = "{python}"
memory_mb = 512
timeout_s = 5
reserved_concurrency = 1
time_scale = 0.001
[placements.streams]
kind = "function"
image = "{node}"
command = ["app.streaming"]
memory_mb = 512
timeout_s = 5
"""


@dataclass
class Served:
    url: str
    out: Path

    def client(self, **config: Any) -> Any:
        settings = Config(**{"retries": {"total_max_attempts": 1}, **config})
        session = boto3.Session("any", "credentials", region_name="us-east-1")
        return session.client("lambda", endpoint_url=self.url, config=settings)

    def run(self) -> Run:
        (folder,) = self.out.iterdir()
        return load(folder)


@contextmanager
def serving(scenario: Path, out: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", "harness", "serve", str(scenario), "--port", "0", "--out", str(out)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = ""
        for line in process.stdout:
            if found := re.search(r"serving \S.* at (http://\S+);", line):
                yield Served(found[1], out)
                break
        else:
            raise AssertionError(f"it did not serve: {line} {process.stderr.read()}")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def scenario(image_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "served.toml"
    path.write_text(SCENARIO.format(python=image_of("python"), node=image_of("node")))
    return path


def test_boto3_and_the_run_that_is_left(scenario: Path, tmp_path: Path) -> None:
    with serving(scenario, tmp_path) as served:
        client = served.client()
        answer = client.invoke(FunctionName="talks", Payload=b'{"verb": "echo", "a": 1}', LogType="Tail")
        assert json.loads(answer["Payload"].read()) == {"a": 1}
        assert (answer["StatusCode"], answer["ExecutedVersion"], "FunctionError" in answer) == (
            200, "$LATEST", False,
        )  # fmt: skip
        log = base64.b64decode(answer["LogResult"]).decode()
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert log.startswith(f"START RequestId: {request_id} Version: $LATEST\n")
        assert re.search(
            rf"\nREPORT RequestId: {request_id}\tDuration: .*\tInit Duration: [\d.]+ ms\t\n$", log
        )

        failed = client.invoke(FunctionName="talks", Payload=b'{"verb": "fail", "message": "so be it"}')
        assert failed["FunctionError"] == "Unhandled"
        assert json.loads(failed["Payload"].read())["errorMessage"] == "so be it"

        late = client.invoke(FunctionName="talks", Payload=b'{"verb": "sleep", "seconds": 9}')
        assert late["FunctionError"] == "Unhandled"
        assert "Task timed out after 2.00 seconds" in json.loads(late["Payload"].read())["errorMessage"]

        context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
        about = client.invoke(FunctionName="talks", Payload=b'{"verb": "about"}', ClientContext=context)
        assert json.loads(about["Payload"].read())["client_context"] == {"k": "v"}

        for event in (b'{"verb": "echo"}', b'{"verb": "fail"}'):
            assert (
                client.invoke(FunctionName="talks", InvocationType="Event", Payload=event)["StatusCode"]
                == 202
            )
        assert client.invoke(FunctionName="talks", InvocationType="DryRun")["StatusCode"] == 204
        assert {f["FunctionName"] for f in client.list_functions()["Functions"]} == {
            "talks", "narrow", "streams",
        }  # fmt: skip
        assert client.get_function_configuration(FunctionName="talks")["MemorySize"] == 512

        for name, payload, status, code in (
            ("nobody", b"{}", 404, "ResourceNotFoundException"),
            ("talks", b"{half", 400, "InvalidRequestContentException"),
            ("talks", b'"' + b"x" * 6 * 2**20 + b'"', 413, "RequestTooLargeException"),
        ):
            with pytest.raises(ClientError) as refused:
                client.invoke(FunctionName=name, Payload=payload)
            found = refused.value.response
            assert (found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"]) == (status, code)

        # Whoever does not wait for the answer does not end the invocation.
        with pytest.raises(ReadTimeoutError):
            served.client(read_timeout=0.3).invoke(
                FunctionName="talks", Payload=b'{"verb": "sleep", "seconds": 1}'
            )
    run = served.run()
    assert run.complete
    rows = run.attempts[run.attempts["arm"] == "talks"]
    # One of each: echo, fail, late, about, left alone; and the events: one, and one with two retries.
    assert sorted(rows["outcome"].astype(str)) == ["error"] * 4 + ["ok"] * 4 + ["timeout"]
    assert rows["attempt"].max() == 3
    assert rows[rows["item"] == request_id]["cold"].tolist() == [True]
    assert rows[rows["outcome"] == "ok"]["billed_s"].notna().all()
    assert len(list((served.out).glob("*/logs/talks-on-failure.jsonl"))) == 1
    assert next(served.out.glob("*/lambda_metrics.csv")).read_text().count("talks") >= 1


def test_throttled_clients_try_again_by_themselves(scenario: Path, tmp_path: Path) -> None:
    with serving(scenario, tmp_path) as served:
        client = served.client(retries={"mode": "standard", "total_max_attempts": 10})
        payload = b'{"verb": "sleep", "seconds": 0.3}'
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(lambda _: client.invoke(FunctionName="narrow", Payload=payload), range(4))
            )
        assert all("FunctionError" not in answer for answer in answers)
        assert any(answer["ResponseMetadata"]["RetryAttempts"] > 0 for answer in answers)
    outcomes = served.run().attempts["outcome"].astype(str)
    assert (outcomes == "ok").sum() == 4
    assert (outcomes == "throttled").sum() > 0


def test_streaming_through_boto3(scenario: Path, tmp_path: Path) -> None:
    with serving(scenario, tmp_path) as served:
        client = served.client()
        for event, error in (({"pieces": 3}, None), ({"pieces": 3, "fail": "in the middle"}, "Unhandled")):
            answer = client.invoke_with_response_stream(
                FunctionName="streams", Payload=json.dumps(event).encode(), LogType="Tail"
            )
            events = list(answer["EventStream"])
            chunks = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
            assert chunks.startswith(b"piece 0\npiece 1\npiece 2\n")
            complete = events[-1]["InvokeComplete"]
            assert complete.get("ErrorCode") == error
            assert base64.b64decode(complete["LogResult"]).startswith(b"START")


def test_a_scenario_without_a_function_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    path.write_text(
        SCENARIO.split("[placements.talks]", maxsplit=1)[0].replace("{{", "{").replace("}}", "}")
        + "[placements.service]\nmemory_mb = 512\nvcpu = 1\ntask_memory_mb = 2048\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "harness", "serve", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "has no function and no batch: ['service']" in done.stderr) == (2, True)
