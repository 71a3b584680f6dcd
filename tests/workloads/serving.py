"""A service as a real process on loopback, and a client for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.workloads.seaweed import free_ports

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, response: HTTPResponse) -> Answer:
        """Read the answer to its end."""
        return cls(response.status, response.headers, response.read())  # type: ignore[arg-type]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: bytes = b"", media_type: str = "application/json") -> Answer:
        """One request over a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {"Content-Type": media_type})
            return Answer.of(connection.getresponse())
        finally:
            connection.close()

    def item(self, key: str, workload: str = "thumbnail") -> Answer:
        return self.ask("POST", f"/{workload}", json.dumps({"item": key}).encode())

    def wait(self, seconds: float) -> Answer:
        """One request that keeps tests.workloads.waiting busy for so long."""
        return self.ask("POST", "/wait", str(seconds).encode(), "image/any")

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Values by name and labels."""
        text = self.ask("GET", "/metrics").body.decode()
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics()[name, frozenset(labels.items())]

    def until(self, name: str, value: float) -> None:
        """Wait for a metric without labels."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.metric(name) != value:
            assert time.monotonic() < deadline_s, f"{name} is not {value}"
            time.sleep(0.01)

    def access_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "stdout").read_text().splitlines()]

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def errors(self) -> str:
        return (self.folder / "stderr").read_text()


@contextmanager
def served(
    module: str, folder: Path, environ: Mapping[str, str], *command: str, arguments: Sequence[str] = ()
) -> Iterator[Service]:
    """The service of a module; fails unless it is healthy in time and ends with 0."""
    (port,) = free_ports(1)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", module, *arguments, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **environ}, stdout=stdout, stderr=stderr,
        )  # fmt: skip
    service = Service(process, port, folder)
    try:
        _until_healthy(service)
        yield service
        if process.poll() is None:
            assert service.stop() == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _until_healthy(service: Service) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            assert service.ask("GET", "/healthz").status == 200
            return
        except OSError:
            assert service.process.poll() is None and time.monotonic() < deadline_s, service.errors()
            time.sleep(0.02)
