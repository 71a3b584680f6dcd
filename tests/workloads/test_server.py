"""How a service is served: its limits, its queue, its stop, and what it tells. Real processes, asked over HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import psutil
import pytest
from starlette.types import Message

from tests.workloads.noop import interfaces
from tests.workloads.serving import PATIENCE_S, Answer, Service, served
from tests.workloads.waiting import wait
from workloads.kit.errors import BadSettings
from workloads.kit.service import make_app
from workloads.kit.service_settings import ServiceSettings

Serve = Callable[..., Service]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts tests.workloads.waiting with SERVICE_ variables: serve(queue=1)."""
    with ExitStack() as stack:

        def start(**settings: object) -> Service:
            environ = {f"SERVICE_{name.upper()}": str(value) for name, value in settings.items()}
            service: AbstractContextManager[Service] = served("tests.workloads.waiting", tmp_path, environ)
            return stack.enter_context(service)

        yield start


def test_connections_are_kept(serve: Serve) -> None:
    connection = serve().connect()
    ports = set()
    for _ in range(3):
        connection.request("POST", "/wait", b"0", {"Content-Type": "image/any"})
        assert Answer.of(connection.getresponse()).status == 200
        assert connection.sock is not None, "closed by the service"
        ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_refused_and_the_connection_goes_on(serve: Serve, chunked: bool) -> None:
    connection = serve(max_body_bytes=1000).connect()
    for size_bytes, status in ((1000, 200), (1001, 413), (200_000, 413), (1000, 200)):
        body = b"0".ljust(size_bytes)
        sent = iter([body[:700], body[700:]]) if chunked else body
        connection.request(
            "POST", "/wait", sent, {"Content-Type": "image/any"}, encode_chunked=chunked
        )  # fmt: skip
        answer = Answer.of(connection.getresponse())
        assert answer.status == status
    connection.close()


def test_a_request_over_its_time_limit_is_answered_and_still_holds_its_thread(serve: Serve) -> None:
    service = serve(timeout_s=0.5)
    answer = service.wait(3)
    assert (answer.status, answer.json()) == (504, {"error": "no result within 0.5 s"})
    # One thread, held by work that was given up: a load balancer should look elsewhere.
    health = service.ask("GET", "/healthz")
    assert (health.status, health.json()) == (503, {"status": "stuck"})
    assert service.wait(0).status == 504  # it waited for the thread in vain
    service.until("service_items_in_progress", 0)
    assert service.ask("GET", "/healthz").status == 200
    assert service.wait(0).status == 200
    assert service.metric("service_items_total", result="failed") == 2


def test_a_body_that_does_not_come_is_not_waited_for(serve: Serve) -> None:
    service = serve(timeout_s=0.3)
    connection = service.connect()
    connection.putrequest("POST", "/wait")
    connection.putheader("Content-Length", "100")
    connection.endheaders()
    answer = Answer.of(connection.getresponse())
    assert (answer.status, answer.json()) == (408, {"error": "the body did not arrive within 0.3 s"})
    connection.close()


def test_a_full_queue_pushes_back_while_probes_are_answered(serve: Serve) -> None:
    service = serve(queue=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.wait, 1.5)
        service.until("service_items_in_progress", 1)
        second = pool.submit(service.wait, 0)
        service.until("service_queue_depth", 1)
        refused = service.wait(0)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert "queue is full" in refused.json()["error"]
        assert service.ask("GET", "/healthz").status == 200
        assert not first.done()
        assert (first.result().status, second.result().status) == (200, 200)
    assert float(second.result().headers["X-Queue-S"]) > float(first.result().headers["X-Queue-S"])
    assert service.wait(0).status == 200
    assert service.metric("service_items_total", result="ok") == 3


def test_threads_are_items_at_once(serve: Serve) -> None:
    service = serve(threads=3, queue=0)
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(service.wait, 1.5) for _ in range(3)]
        service.until("service_items_in_progress", 3)
        assert service.wait(0).status == 503
        assert [each.result().status for each in waits] == [200] * 3


def test_bodies_in_hand_are_bounded_together(serve: Serve) -> None:
    """Room for one body more than threads, whatever the queue."""
    service = serve(max_body_bytes=1000, queue=50)
    whole = b"1.5".ljust(1000)
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(service.ask, "POST", "/wait", whole, "image/any") for _ in range(2)]
        service.until("service_queue_depth", 1)
        refused = service.wait(0)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert [each.result().status for each in waits] == [200, 200]
    assert service.wait(0).status == 200


def until_refused(service: Service) -> None:
    """Connect until nobody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", service.port), PATIENCE_S).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_loses_no_request_in_hand(serve: Serve, workers: int) -> None:
    service = serve(workers=workers, threads=3)
    with ThreadPoolExecutor(7) as pool:
        waits = [pool.submit(service.wait, 1.5) for _ in range(6)]
        service.until("http_requests_in_progress", 7)  # with the one that asks
        ended = pool.submit(service.stop)
        until_refused(service)
        assert not all(each.done() for each in waits), (
            "new connections were taken, or left waiting, to the end"
        )
        answers = [each.result() for each in waits]
    assert [answer.status for answer in answers] == [200] * 6
    assert ended.result() == 0
    assert {answer.headers["Connection"] for answer in answers} == {"close"}
    assert service.errors() == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_ends_in_time_whatever_is_in_hand(serve: Serve, workers: int) -> None:
    service = serve(workers=workers, drain_s=1)
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(service.wait, 600)
        service.until("service_items_in_progress", 1)
        assert service.stop() == 0
        assert endless.result().status == 500
    assert "SERVICE_DRAIN_S=1" in service.errors()


def test_kept_connections_are_told_to_close_while_it_drains() -> None:
    app = make_app(wait, {"SERVICE_ACCESS_LOG": "off"})
    app.state.draining = True
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 503
    assert (b"connection", b"close") in sent[0]["headers"]
    assert sent[1]["body"] == b'{"status":"draining"}'


def ask_both(service: Service) -> Counter[str]:
    """Keep both workers busy until each has answered; the answers by process."""
    answered: Counter[str] = Counter()
    lock = threading.Lock()

    def ask(_: int) -> None:
        answer = service.wait(0.05)
        assert answer.status == 200
        with lock:
            answered[answer.body.decode()] += 1

    deadline_s = time.monotonic() + PATIENCE_S
    with ThreadPoolExecutor(8) as pool:
        while len(answered) < 2:
            assert time.monotonic() < deadline_s, answered
            list(pool.map(ask, range(16)))
    return answered


def test_metrics_are_sums_over_the_workers(serve: Serve) -> None:
    service = serve(workers=2)
    answered = ask_both(service)
    told = [service.metrics() for _ in range(6)]  # whichever worker answers
    route = {"method": "POST", "path": "/wait"}
    for metrics in told:
        assert (
            metrics["http_requests_total", frozenset({**route, "status": "200"}.items())] == answered.total()
        )
        assert metrics["http_request_duration_seconds_count", frozenset(route.items())] == answered.total()
        assert metrics["service_items_total", frozenset({("result", "ok")})] == answered.total()
        assert metrics["service_items_in_progress", frozenset()] == 0
    assert {psutil.Process(int(pid)).ppid() for pid in answered} == {service.process.pid}


def kept(service: Service, connection: HTTPConnection, requests: int) -> Counter[str]:
    """Requests over one connection, which is opened anew where it was closed; the answers by process."""
    answered: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("POST", "/wait", b"0.02", {"Content-Type": "image/any"})
        answered[Answer.of(connection.getresponse()).body.decode()] += 1
    return answered


def test_two_workers_share_the_connections(serve: Serve) -> None:
    """Without care, one takes all that come at once."""
    service = serve(workers=2)
    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(lambda _: kept(service, service.connect(), 20), range(8)))
    total = sum(shares, Counter())
    assert total.total() == 160
    assert min(total.values()) >= 40 and len(total) == 2, total


def test_a_connection_moves_to_an_idle_worker(serve: Serve) -> None:
    """Two connections that ended up at one worker are not left to wait for each other."""
    service = serve(workers=2)
    connections = [service.connect() for _ in range(4)]
    homes: dict[str, list[HTTPConnection]] = {}
    for connection in connections:
        (home,) = kept(service, connection, 1)
        homes.setdefault(home, []).append(connection)
    together = max(homes.values(), key=len)[:2]
    assert len(together) == 2
    with ThreadPoolExecutor(2) as pool:
        shares = list(pool.map(lambda connection: kept(service, connection, 20), together))
    total = sum(shares, Counter())
    assert len(total) == 2 and min(total.values()) >= 10, total


def test_a_worker_that_dies_is_replaced_and_leaves_no_gauge(serve: Serve) -> None:
    service = serve(workers=2)
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(service.wait, 600)
        service.until("service_items_in_progress", 1)
        busy = max(psutil.Process(service.process.pid).children(), key=lambda worker: worker.num_threads())
        busy.kill()
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            lost.result()
    service.until("service_items_in_progress", 0)
    assert str(busy.pid) not in ask_both(service)


def test_the_metrics_folder_goes_with_the_service(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {"SERVICE_WORKERS": "2", "TMPDIR": str(temporary)}
    with served("tests.workloads.waiting", tmp_path, environ):
        assert [path.name.partition("-")[0] for path in temporary.iterdir()] == ["metrics"]
    assert list(temporary.iterdir()) == []


def test_unknown_paths_are_counted_as_one(serve: Serve) -> None:
    service = serve()
    for path in ("/a", "/b", "/wait"):
        service.ask("GET", path)
    assert service.metric("http_requests_total", method="GET", path="other", status="404") == 2
    assert service.metric("http_requests_total", method="GET", path="/wait", status="405") == 1


def test_unknown_methods_are_counted_as_one(serve: Serve) -> None:
    service = serve()
    for method in ("ZZQ123", "ZZQ124", "PUT"):
        service.ask(method, "/wait")
    assert service.metric("http_requests_total", method="other", path="/wait", status="405") == 2
    assert service.metric("http_requests_total", method="PUT", path="/wait", status="405") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_the_access_log_is_json(serve: Serve, workers: int) -> None:
    service = serve(workers=workers)
    answer = service.wait(0.1)
    service.ask("POST", "/wait", b"", "image/any")
    service.ask("GET", "/none?x=1")
    service.stop()
    # No successful probe; and a line is written after its answer, so that those of two workers may change places.
    done, unknown, refused = sorted(service.access_log(), key=lambda line: int(line["status"]))
    assert list(done) == ["time", "method", "path", "status", "duration_s", "bytes", "client", "queue_s"]
    told = datetime.fromisoformat(done["time"])
    assert told.tzinfo == UTC and abs(datetime.now(UTC) - told) < timedelta(minutes=1)
    assert (done["method"], done["path"], done["status"]) == ("POST", "/wait", 200)
    assert (done["bytes"], done["client"]) == (len(answer.body), "127.0.0.1")
    assert done["duration_s"] >= 0.1 + done["queue_s"]
    assert f"{done['queue_s']:.6f}" == answer.headers["X-Queue-S"]
    assert (refused["status"], unknown["path"], unknown["status"]) == (422, "/none", 404)
    assert unknown["queue_s"] is None


def test_the_access_log_can_be_off(serve: Serve) -> None:
    service = serve(access_log="off")
    service.wait(0)
    service.stop()
    assert service.access_log() == []


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        *(("WORKERS", text, "of at least 1") for text in ("0", "-1", "two", "1.5", "", "²")),
        *(("PORT", text, "from 1 to 65535") for text in ("0", "65536", "http")),
        ("THREADS", "0", "of at least 1"),
        ("QUEUE", "-1", "of at least 0"),
        ("MAX_BODY_BYTES", "1MB", "of at least 1"),
        *(("TIMEOUT_S", text, "seconds above 0") for text in ("0", "-1", "nan", "inf", "soon")),
        ("DRAIN_S", "0", "seconds above 0"),
        ("ACCESS_LOG", "yes", "on or off"),
    ],
)
def test_bad_settings_are_named(name: str, text: str, allowed: str) -> None:
    with pytest.raises(BadSettings) as told:
        ServiceSettings.parse({f"SERVICE_{name}": text})
    assert str(told.value).startswith(f"SERVICE_{name}={text!r} must be ")
    assert str(told.value).endswith(allowed)


def test_settings_have_defaults() -> None:
    assert ServiceSettings.parse({}) == ServiceSettings()
    assert ServiceSettings.parse({"SERVICE_QUEUE": "0", "SERVICE_DRAIN_S": "2.5"}).drain_s == 2.5


def start(environ: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and error output of a service that cannot start."""
    command = [sys.executable, "-m", "tests.workloads.waiting", *arguments]
    ended = subprocess.run(
        command, env=os.environ | environ, stderr=subprocess.PIPE, text=True, timeout=30, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_is_set_up_wrongly_says_so_and_ends(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = start({"SERVICE_WORKERS": workers}, "--port", port)
    where = f"SERVICE_HOST='127.0.0.1', SERVICE_PORT={port}"
    assert code == 2
    assert told.startswith(f"wait service: cannot listen on {where}: Address already in use")
    code, told = start({"SERVICE_WORKERS": workers, "SERVICE_PORT": port, "WORKLOAD_SETTINGS": "["})
    assert code == 2
    assert told.startswith("wait service: WORKLOAD_SETTINGS is not JSON")
    stores = interfaces(tmp_path, {}) | {"STORE_IN": "ftp://elsewhere"}
    code, told = start({"SERVICE_WORKERS": workers, "SERVICE_PORT": port, **stores})
    assert code != 0
    assert "store URL 'ftp://elsewhere' is not supported" in told
