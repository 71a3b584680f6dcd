"""HAProxy itself, before small servers of this machine: told of targets at run time, checked, drained, restarted."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from harness.clock import RunClock
from harness.engines import load_balancer
from harness.engines.base import EngineError
from harness.engines.process import ProcessEngine
from harness.placements.base import Bench
from harness.placements.service.balancer import Target
from harness.placements.service.client import Client, make_session
from harness.placements.service.haproxy import Haproxy, configuration
from harness.placements.service.haproxy.runtime_api import BACKEND, UNCHECKED, RuntimeApi
from harness.rows import Outcome
from tests.fakes import Ledger
from tests.placements.service.lab import settings

ACCOUNT = {"started_ns": 1, "done_ns": 2, "ok": True}


class Backend:
    """A task's server: answers `work` after `takes_s`, and is well while `well`."""

    def __init__(self, name: str) -> None:
        self.name, self.takes_s, self.well = name, 0.0, True
        self.served = 0
        self.working = 0
        self.port = 0

    async def open(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/healthz", self.healthz)
        app.router.add_post("/work", self.work)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def healthz(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.well else 503)

    async def work(self, request: web.Request) -> web.Response:
        self.working += 1
        await asyncio.sleep(self.takes_s)
        self.working -= 1
        self.served += 1
        return web.json_response(ACCOUNT)


class Stand:
    """HAProxy, its client, and two backends that are registered and up."""

    def __init__(self, balancer: Haproxy, client: Client, backends: list[Backend], ledger: Ledger) -> None:
        self.balancer, self.client, self.backends, self.ledger = balancer, client, backends, ledger

    async def send(self, count: int = 1) -> list[Any]:
        return list(await asyncio.gather(*(self.client.send("x") for _ in range(count))))

    async def send_slowly(self, count: int, takes_s: float) -> list[asyncio.Task[Any]]:
        """Requests that take so long, one of which is in hand at the first backend when this returns."""
        for backend in self.backends:
            backend.takes_s = takes_s
        sent = [asyncio.create_task(self.client.send("x")) for _ in range(count)]
        while not self.backends[0].working:
            await asyncio.sleep(0.01)
        return sent


@asynccontextmanager
async def a_stand(tmp_path: Path, **changes: Any) -> AsyncIterator[Stand]:
    engine, ledger, http = ProcessEngine(), Ledger(), make_session()
    assert engine.load_balancer is not None, "these tests need HAProxy: apt-get install haproxy"
    chosen = settings(target={"interval_s": 0.2, "timeout_s": 1}, **({"timeout_s": 5} | changes))
    bench = Bench(
        run="r", block=0, warmup=False, arm="service", workload="work", engine=engine, clock=RunClock(),
        recorder=ledger, watcher=ledger, store_in=tmp_path, store_out=tmp_path, settings={}, logs=tmp_path,
    )  # fmt: skip
    balancer = Haproxy(bench, chosen, engine.load_balancer)
    backends = [Backend("a"), Backend("b")]
    runners = [await backend.open() for backend in backends]
    try:
        await balancer.open()
        for backend in backends:
            await balancer.register(Target(backend.name, "127.0.0.1", backend.port))
            async with asyncio.timeout(5):
                await balancer.is_up(backend.name)
        yield Stand(balancer, Client(http, balancer, "/work", chosen.timeout_s), backends, ledger)
    finally:
        await balancer.close()
        for runner in runners:
            await runner.cleanup()
        await http.close()
        await engine.close()


def carry_out(tmp_path: Path, body: Callable[[Stand], Coroutine[Any, Any, None]], **changes: Any) -> None:
    async def main() -> None:
        async with a_stand(tmp_path, **changes) as stand:
            await body(stand)

    asyncio.run(main())


def haproxy_process() -> psutil.Process:
    return next(each for each in psutil.Process().children() if each.name() == "haproxy")


def test_requests_go_to_the_target_with_the_fewest_in_hand(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        slow, quick = stand.backends
        slow.takes_s = 1.0
        waiting = [asyncio.create_task(stand.client.send("x")) for _ in range(2)]
        await asyncio.sleep(0.2)
        answers = [await stand.client.send("x") for _ in range(10)]
        assert {answer.target for answer in answers} == {quick.name}
        assert {(await each).target for each in waiting} == {slow.name, quick.name}

    carry_out(tmp_path, body)


def test_a_target_that_fails_its_checks_gets_no_requests_until_it_is_well_again(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        stand.backends[0].well = False
        async with asyncio.timeout(5):
            await stand.balancer.is_down("a")
        assert {answer.target for answer in await stand.send(10)} == {"b"}
        stand.backends[0].well = True
        async with asyncio.timeout(5):
            await stand.balancer.is_up("a")
        assert {answer.target for answer in await stand.send(10)} == {"a", "b"}

    carry_out(tmp_path, body)


def test_a_target_that_drains_finishes_what_it_has_and_gets_no_more(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        sent = await stand.send_slowly(2, 0.6)
        leaving = asyncio.create_task(stand.balancer.deregister("a", 10))
        await asyncio.sleep(0.1)
        more = await stand.send(3)
        await leaving
        assert stand.backends[0].served == 1, "the one that it had, and it was waited for"
        assert {answer.target for answer in more} == {"b"}
        assert {(await each).outcome for each in sent} == {Outcome.OK}
        again = Target("a", "127.0.0.1", stand.backends[0].port)
        await stand.balancer.register(again)
        async with asyncio.timeout(5):
            await stand.balancer.is_up("a")

    carry_out(tmp_path, body)


def test_what_is_still_in_hand_when_the_delay_is_over_is_cut_off(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        sent = await stand.send_slowly(2, 3.0)
        await stand.balancer.deregister("a", 0.2)
        by_task = {(answer := await each).target: answer.outcome for each in sent}
        assert by_task == {"a": Outcome.ERROR, "b": Outcome.OK}, "cut off long before it was done"

    carry_out(tmp_path, body)


def test_a_new_target_gets_no_request_before_its_first_check_has_passed(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        sick = Backend("sick")
        sick.well = False
        runner = await sick.open()
        try:
            await stand.balancer.register(Target("sick", "127.0.0.1", sick.port))
            for _ in range(20):
                assert {answer.target for answer in await stand.send(5)} <= {"a", "b"}
                await asyncio.sleep(0.01)
            assert sick.served == 0
            async with asyncio.timeout(5):
                await stand.balancer.is_down("sick")
            sick.well = True
            async with asyncio.timeout(5):
                await stand.balancer.is_up("sick")
            assert "sick" in {answer.target for answer in await stand.send(9)}
        finally:
            await runner.cleanup()

    carry_out(tmp_path, body)


def test_targets_come_and_go_in_any_order_around_a_restart(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        port = stand.backends[0].port
        for number in range(6):
            name = f"n{number}"
            await stand.balancer.register(Target(name, "127.0.0.1", port))
            if number == 2:
                haproxy_process().send_signal(signal.SIGKILL)
            leaving = asyncio.create_task(stand.balancer.deregister(name, 0.1)) if number % 2 else None
            await asyncio.sleep(0.03 * number)
            if leaving:
                await leaving
        for name in ("a", "b", "n0", "n2", "n4"):
            async with asyncio.timeout(10):
                await stand.balancer.is_up(name)
        await asyncio.sleep(0.3)
        names = ("a", "b", "n0", "n2", "n4")
        wanted = {f"{backend}/{name}" for backend in (BACKEND, UNCHECKED) for name in names}
        assert set(await stand.balancer._api.up()) == wanted, "none too many, none too few"

    carry_out(tmp_path, body)


async def all_down(stand: Stand) -> None:
    for backend in stand.backends:
        backend.well = False
    async with asyncio.timeout(5):
        await stand.balancer.is_down("a")
        await stand.balancer.is_down("b")


def test_without_a_target_that_is_well_all_of_them_have_requests(tmp_path: Path) -> None:
    """As with AWS's load balancer, which fails open; one that was never well is none of them."""

    async def body(stand: Stand) -> None:
        await stand.balancer.register(Target("new", "127.0.0.1", 1))
        await all_down(stand)
        answers = await stand.send(20)
        assert {answer.outcome for answer in answers} == {Outcome.OK}
        assert {answer.target for answer in answers} == {"a", "b"}
        stand.backends[0].well = True
        async with asyncio.timeout(5):
            await stand.balancer.is_up("a")
        assert {answer.target for answer in await stand.send(9)} == {"a"}

    carry_out(tmp_path, body)


def test_one_that_is_not_well_drains_as_well(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        await all_down(stand)
        sent = await stand.send_slowly(2, 0.6)
        leaving = asyncio.create_task(stand.balancer.deregister("a", 10))
        await asyncio.sleep(0.1)
        assert {answer.target for answer in await stand.send(3)} == {"b"}
        await leaving
        assert {(await each).outcome for each in sent} == {Outcome.OK}
        await stand.balancer.deregister("b", 0)
        (answer,) = await stand.send()
        assert answer.outcome is Outcome.ERROR
        assert "503" in answer.error, "there is none at all"
        assert await stand.balancer._api.up() == {}

    carry_out(tmp_path, body)


def test_a_target_that_fails_its_checks_finishes_what_it_has(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        sent = await stand.send_slowly(4, 1.5)
        stand.backends[0].well = False
        async with asyncio.timeout(1):
            await stand.balancer.is_down("a")
        assert not any(each.done() for each in sent)
        assert {(await each).outcome for each in sent} == {Outcome.OK}

    carry_out(tmp_path, body)

    carry_out(tmp_path, body)


def test_a_target_that_answers_too_late_is_a_timeout(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        for backend in stand.backends:
            backend.takes_s = 2.0
        (answer,) = await stand.send()
        assert answer.outcome is Outcome.TIMEOUT

    carry_out(tmp_path, body, timeout_s=0.5)


def test_after_it_was_killed_it_comes_back_and_knows_its_targets(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        for backend in stand.backends:
            backend.takes_s = 0.5
        in_hand = [asyncio.create_task(stand.client.send("x")) for _ in range(2)]
        await asyncio.sleep(0.1)
        haproxy_process().send_signal(signal.SIGKILL)
        assert {(await each).outcome for each in in_hand} == {Outcome.ERROR}, "what was in hand is lost"
        for backend in stand.backends:
            backend.takes_s = 0.0
        answers = []
        for _ in range(60):
            answers += await stand.send()
            await asyncio.sleep(0.02)
        lost = [answer.error for answer in answers if answer.outcome is not Outcome.OK]
        assert lost == [], "and nothing after it: a request waits until it is back"
        assert {answer.target for answer in answers[-10:]} == {"a", "b"}
        assert [event.kind for event in stand.ledger.events if event.kind.startswith("balancer")] == [
            "balancer_ended", "balancer_restarted",
        ]  # fmt: skip

    carry_out(tmp_path, body)


def test_one_that_ends_at_once_is_not_started_without_a_pause(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        file = stand.balancer._configuration
        right = file.read_text()
        file.write_text("no such section")
        started = len(stand.ledger.kinds("container_started"))
        haproxy_process().send_signal(signal.SIGKILL)
        await asyncio.sleep(2.5)
        assert 1 <= len(stand.ledger.kinds("container_started")) - started <= 3
        assert "unknown keyword" in json.loads(stand.ledger.kinds("balancer_failed")[0].detail)["reason"]
        file.write_text(right)
        assert (await stand.send())[0].outcome is Outcome.OK

    carry_out(tmp_path, body)


def test_it_is_told_when_nobody_keeps_it_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(stand: Stand) -> None:
        async def nonsense(self: object) -> None:
            raise ValueError("nonsense")

        monkeypatch.setattr(RuntimeApi, "up", nonsense)
        await asyncio.sleep(0.3)
        (event,) = stand.ledger.kinds("balancer_failed")
        assert json.loads(event.detail)["reason"] == "ValueError: nonsense"

    carry_out(tmp_path, body)


def test_its_folder_goes_even_where_it_cannot_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    async def body(stand: Stand) -> None:
        folders.append(stand.balancer._folder)
        container = stand.balancer._container._launched.container  # type: ignore[union-attr]

        async def refuse_once(grace_s: float) -> None:
            monkeypatch.undo()
            raise EngineError("it cannot be stopped")

        monkeypatch.setattr(container, "stop", refuse_once)

    with pytest.raises(EngineError, match="cannot be stopped"):
        carry_out(tmp_path, body)
    assert not folders[0].exists()
    assert not [each for each in psutil.Process().children() if each.name() == "haproxy"], "it is removed"


def test_a_taken_port_means_the_next_free_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        from harness.engines.process import container  # noqa: PLC0415

        ports = iter([taken.getsockname()[1]])
        free = container._free_port
        monkeypatch.setattr(container, "_free_port", lambda: next(ports, None) or free())

        async def body(stand: Stand) -> None:
            assert {answer.outcome for answer in await stand.send(4)} == {Outcome.OK}
            (event,) = stand.ledger.kinds("port_taken")
            assert "cannot bind" in json.loads(event.detail)["printed"]

        carry_out(tmp_path, body)


def test_a_load_balancer_that_does_not_come_up_says_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "CONFIGURATION", "no such section")
    with pytest.raises(EngineError, match=r"(?s)HAProxy does not come up; it printed: .*unknown keyword"):
        carry_out(tmp_path, lambda stand: asyncio.sleep(0))


def test_its_log_and_its_counters_are_kept(tmp_path: Path) -> None:
    async def body(stand: Stand) -> None:
        await stand.send(20)

    carry_out(tmp_path, body)
    written = (tmp_path / "b0-service-balancer-haproxy.log").read_text().splitlines()
    lines = [json.loads(line) for line in written if line[0] == "{"]
    assert len([line for line in lines if line["status"] == 200]) == 20
    assert {line["task"] for line in lines} == {"a", "b"}
    counters = [
        json.loads(line) for line in (tmp_path / "service-balancer-counters.jsonl").read_text().splitlines()
    ]
    front = next(record for record in counters if record["svname"] == "FRONTEND")
    assert int(front["hrsp_2xx"]) == 20
    assert {record["svname"] for record in counters} == {"FRONTEND", "a", "b", "BACKEND"}
    assert {record["pxname"] for record in counters} == {"service", BACKEND, UNCHECKED}


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/", "2.6.12-1+deb12u3"),
        ("HAProxy version 3.0.2 2024/06/14", "3.0.2"),
        ("HA-Proxy version 2.2.9-2+deb11u6 2023/12/18", None),
        ("command not found", None),
    ],
)
def test_a_version_that_is_too_old_is_none(told: str, version: str | None) -> None:
    assert load_balancer.version_of(told) == version
